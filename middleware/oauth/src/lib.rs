//! Talking to an authorization server: metadata, token endpoint, grants, introspection, client authentication.
//!
//! A [`TokenEndpoint`] says which server and who we are there; connected, it is a [`TokenClient`], which turns a
//! [`Grant`] into an [`IssuedToken`], or a [`TokenError`] that says whose fault it is that
//! there is none.
//!
//! ```text
//! TokenEndpoint ──connect(&Http)──▶ TokenClient ──request(&Grant)──▶ IssuedToken
//!  issuer, ClientAuth                │ Discovery: ServerMetadata       checked: bearer, of the requested type,
//!                                    ▼                                 no wider than asked
//!                                   Http: one deadline, one cap, no redirect, no proxy
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `endpoint`, `special_use` | [`Endpoint`]: https, or http on this machine; and which addresses lead inside |
//! | `http` | [`Http`], the client for authorization servers, and why there is no answer |
//! | `metadata`, `discovery` | [`ServerMetadata`], and [`Discovery`], which finds and keeps it |
//! | `client_auth` | [`ClientAuth`]: a secret, a key that signs assertions, a certificate, or assertions of others; in files that are followed |
//! | `grant`, `parameters` | [`Grant`]: what a token is asked for, and by which grant: one file each; [`Parameters`]: what else is sent |
//! | `response` | [`IssuedToken`]: what came back, checked against what was asked |
//! | `token_error` | [`TokenError`]: why there is no token, and whose fault that is |
//! | `token_endpoint`, `token_client` | the description of a server, and its client: retries, line, breaker |
//! | `introspection` | [`Introspection`]: what a token is that only its server can read |
//! | `own_token` | [`OwnToken`], a token for what this service fetches itself |
//! | `token_file` | [`TokenFile`], such a token that somebody else puts into a file |
//! | `settings`, `secret_file` | the same from a file |
//!
//! Feature `transaction-tokens` brings `TransactionTokenExchange`, as of draft-ietf-oauth-transaction-tokens-11.

mod client_auth;
mod discovery;
mod endpoint;
mod grant;
mod http;
mod introspection;
mod metadata;
mod own_token;
mod parameters;
mod response;
mod secret_file;
mod settings;
mod special_use;
mod token_client;
mod token_endpoint;
mod token_error;
mod token_file;

#[cfg(feature = "transaction-tokens")]
pub use self::grant::{Transaction, TransactionTokenExchange};
pub use self::{
    client_auth::{
        AssertionAudience, AssertionStyle, AssertionTyp, BasicEncoding, ClientAuth, CredentialError, Standing,
    },
    discovery::{
        Discovery, DiscoveryError, DiscoveryFailure, DiscoveryOptions, DiscoveryOrder, METADATA_FRESH, METADATA_USABLE,
    },
    endpoint::{Endpoint, InvalidEndpoint},
    grant::{
        ActorToken, ClientCredentials, CustomGrant, CustomGrantType, EntraOnBehalfOf, Grant, GrantKind,
        InvalidAssertion, InvalidResource, JwtBearer, KeycloakExchange, Resource, TargetService, TokenExchange,
        TokenType, Unexchangeable,
    },
    http::{
        Authorities, DEADLINE, FetchError, Fetched, Get, Http, HttpSetupError, MAX_BODY_BYTES, MAX_RETRY_AFTER,
        Refetched, Validator,
    },
    introspection::{
        AnswerForm, Introspected, Introspection, IntrospectionClient, IntrospectionError, IntrospectionErrorKind,
        IntrospectionSettings, InvalidAnswer, Members, SignedAnswer,
    },
    metadata::{MetadataError, ServerMetadata, UnusableEndpoint},
    own_token::OwnToken,
    parameters::Parameters,
    response::{IssuedAssertion, IssuedToken, MAX_ISSUED_TOKEN_BYTES},
    secret_file::SecretFileError,
    settings::ServerSettings,
    token_client::{NotAsked, TokenClient, Urgency},
    token_endpoint::TokenEndpoint,
    token_error::{ConfigurationProblem, DEFAULT_RETRY_AFTER, ErrorCode, Nonsense, TokenError, TokenErrorKind},
    token_file::{FileToken, TokenFile},
};
