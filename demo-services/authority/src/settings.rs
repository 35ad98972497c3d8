//! The `[authority]` table of the settings file.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::Deserialize;
use tower_identity::{Audience, ClientId, Issuer, Scope, Scopes, SecretToken, Subject};
use tower_identity_jose::AudienceClaim;

use crate::{
    dialect::Product,
    policy::{ClientCredentialsRow, ExchangeRow},
};

/// What an authority is made of. [`Authority::new`](crate::Authority::new) checks it as a whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthoritySettings {
    /// Its identifier and base address: an origin without a path, `http` on a loopback address only. As Entra ID, the origin
    /// goes on with a tenant's identifier and `/v2.0`.
    pub issuer: Issuer,
    /// The product whose shape it answers in; without it, that of the RFCs.
    pub answers_as: Option<Product>,
    /// A PEM file with the private key that signs, for ES256, as Entra ID for RS256; without it a key is generated at each
    /// start.
    pub signing_key_file: Option<PathBuf>,
    /// How long issued tokens live, in seconds.
    #[serde(default = "access_token_seconds")]
    pub access_token_seconds: u64,
    /// How long a user's first token lives, in seconds.
    #[serde(default = "sign_in_token_seconds")]
    pub sign_in_token_seconds: u64,
    /// Who there is. None of them may be named like a client: the two share the `sub` of access tokens.
    pub users: Vec<Subject>,
    /// The development sign-in; without it there is none.
    pub sign_in: Option<SignInSettings>,
    /// Who may authenticate.
    #[serde(default, rename = "client")]
    pub clients: Vec<ClientSettings>,
    /// Who may exchange users' tokens.
    #[serde(default)]
    pub policy: Vec<ExchangeRow>,
    /// Who may exchange users' tokens for grants, and to which other authorization servers.
    #[serde(default, rename = "grant")]
    pub grants: Vec<ExchangeRow>,
    /// Which other authorization servers' grants are redeemed here.
    #[serde(default)]
    pub trusted: Vec<TrustedSettings>,
    /// Who may have tokens of its own.
    #[serde(default)]
    pub client_credentials: Vec<ClientCredentialsRow>,
    /// Transaction tokens of one trust domain; without it none are issued.
    pub transactions: Option<TransactionSettings>,
    /// Who is told what is revoked.
    #[serde(default, rename = "receiver")]
    pub receivers: Vec<ReceiverSettings>,
}

/// The trust domain whose transaction tokens are issued here (draft-ietf-oauth-transaction-tokens-11): by nobody else.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionSettings {
    /// The `aud` of its tokens.
    pub trust_domain: Audience,
    /// How long they live, in seconds.
    #[serde(default = "transaction_seconds")]
    pub seconds: u64,
    /// Members of `request_context` that become members of `rctx`, beside `req_ip`.
    #[serde(default)]
    pub context: BTreeSet<String>,
    /// Members of `request_details` that become members of `tctx`.
    #[serde(default)]
    pub details: BTreeSet<String>,
    /// How often one may be replaced by another at most.
    #[serde(default = "replacements")]
    pub replacements: usize,
    /// Who may have them for users' tokens: from an audience of its own, or, to replace one, from the trust domain.
    #[serde(default, rename = "policy")]
    pub policy: Vec<TransactionRow>,
    /// Who may have them for users that it names itself.
    #[serde(default)]
    pub asserting: Vec<AssertingRow>,
}

/// One client may have transaction tokens for tokens of this audience.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionRow {
    /// Who may ask.
    pub client: ClientId,
    /// An audience of the subject token.
    pub from: Audience,
    /// What each scope of the subject token becomes. A scope that is not listed becomes nothing.
    pub scopes: BTreeMap<Scope, Scopes>,
}

/// One client may have transaction tokens for users that it names itself, in JSON that it has signed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssertingRow {
    /// Who may ask.
    pub client: ClientId,
    /// What they allow at most.
    pub scopes: Scopes,
    /// Whether what it has not signed will do, too.
    #[serde(default)]
    pub unsigned: bool,
}

/// A receiver of security events.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverSettings {
    /// Where events are pushed to (RFC 8935): `http` on a loopback address only.
    pub url: String,
    /// What it is called in an event's `aud`.
    pub audience: Audience,
}

/// Another authorization server, and what one client gets for its grants (RFC 7523 §2.1).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedSettings {
    /// The other server. Its metadata says where its keys are.
    pub issuer: Issuer,
    /// Who may redeem its grants.
    pub client: ClientId,
    /// The audience of the issued tokens.
    pub to: Audience,
    /// What they allow at most.
    pub scopes: Scopes,
    /// Its users, each as we know them.
    pub users: BTreeMap<Subject, Subject>,
}

/// What a user's first token says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInSettings {
    /// The public client that it is issued to.
    pub client: ClientId,
    /// Whom it is for: one audience, or a list. A list opens all of them to whoever has the token.
    pub audience: AudienceClaim,
    /// What it allows.
    pub scopes: Scopes,
    /// The cookie that it is put into. The token is opaque then, so that whoever accepts it has to
    /// [ask](crate::app) what it is, and learns when the user has signed out. Without a cookie it is a JWT.
    pub cookie: Option<String>,
}

/// A registered client. It authenticates by a secret or by a key, not both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// Its identifier.
    pub id: ClientId,
    /// The audiences that are its own: it may exchange tokens that are addressed to one of them.
    #[serde(default)]
    pub audience: Vec<Audience>,
    /// For `client_secret_basic`.
    pub client_secret: Option<SecretToken>,
    /// For `private_key_jwt`: public keys, as JWKs (RFC 7517 §4).
    pub keys: Option<Vec<serde_json::Value>>,
}

const fn access_token_seconds() -> u64 {
    300
}

const fn transaction_seconds() -> u64 {
    60
}

const fn replacements() -> usize {
    4
}

const fn sign_in_token_seconds() -> u64 {
    900
}
