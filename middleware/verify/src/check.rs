//! The checks of a token, by name, in the order in which they are made.
//!
//! A refusal of a token says which one failed ([`Refusal::check`](tower_identity_core::Refusal::check)): for the
//! operator's log, never for the peer. The first that fails decides; those behind it were not made.

/// The compact form: size, three parts, base64url.
pub const FORMAT: &str = "format";
/// The header is strict JSON with `alg`.
pub const HEADER: &str = "header";
/// Of an opaque token: its issuer, asked, says that it is active; or a store has the rest of it.
pub const INTROSPECTION: &str = "introspection";
/// `iss`, and the tenant or trust domain where the profile has one: is it trusted.
pub const ISS: &str = "iss";
/// No extension is critical.
pub const CRIT: &str = "crit";
/// `typ` is one of the profile's.
pub const TYP: &str = "typ";
/// `alg` is one of the issuer's.
pub const ALG: &str = "alg";
/// The key is one of the issuer's, and for this algorithm.
pub const KEY: &str = "key";
/// The signature is that key's over these bytes.
pub const SIGNATURE: &str = "signature";
/// The payload is that of an access token: the profile's guard against ID, refresh and logout tokens.
pub const KIND: &str = "kind";
/// `aud`, or what the profile has in its place, names this service.
pub const AUD: &str = "aud";
/// The token has not ended.
pub const EXP: &str = "exp";
/// The token has begun.
pub const NBF: &str = "nbf";
/// The token was not issued in the future.
pub const IAT: &str = "iat";
/// The token is not bound to a key, or to the certificate that the connection has proven.
pub const CNF: &str = "cnf";
/// Every other claim that is required is there, and every one that is read is of its type and not empty. Also that of a
/// payload that cannot be read at all, which is found out before [`ISS`].
pub const CLAIMS: &str = "claims";
/// Whether it is about a user or a workload is evident.
pub const SUBJECT: &str = "subject";
/// The actors are well formed, few, and the issuer's to name.
pub const ACT: &str = "act";

/// The token was not [revoked](tower_identity_core::Revocations): asked of one that is in order otherwise.
pub const REVOKED: &str = "revoked";

/// No check of one token: whether two credentials of a request belong together.
pub const BINDING: &str = "binding";

/// The token is encrypted to this service where its issuer's [are](crate::TrustedIssuer::encrypted_to), and nowhere else. What
/// is inside is checked by the others.
pub const ENCRYPTION: &str = "encryption";

/// Of a record of handed-over work: the topic is the one that it came under, and its producer's to hand over.
pub const TOPIC: &str = "topic";

/// Of a record of handed-over work: the payload is the one that it came with.
pub const PAYLOAD: &str = "payload";

/// No check of one token: the certificate of the connection leads to a root of its anchor, holds now, and names one client.
pub const CERTIFICATE: &str = "certificate";

/// No check of one token: the user whom a caller [names](crate::danger::plain_users) is named once, and by a name.
pub const PLAIN_USER: &str = "plain_user";

/// All of a JWT, in order.
pub const ALL: [&str; 18] =
    [FORMAT, HEADER, ISS, CRIT, TYP, ALG, KEY, SIGNATURE, KIND, AUD, EXP, NBF, IAT, CNF, CLAIMS, SUBJECT, ACT, REVOKED];

/// All of an opaque token that stands for no JWT, in order. One that does is judged by [`ALL`] once it is found.
pub const OPAQUE: [&str; 13] =
    [FORMAT, INTROSPECTION, ISS, KIND, AUD, EXP, NBF, IAT, CNF, CLAIMS, SUBJECT, ACT, REVOKED];
