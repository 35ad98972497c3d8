//! The right credential for every downstream target, attached automatically.
//!
//! A service lists its [targets](Target): where it calls, and which token goes there. An [`Outbound`] built from the
//! list then gives each request its credential, through a [layer](OutboundLayer) over a tower client or an
//! [`HttpClient`] over reqwest. What a handler does in its caller's scope is done for that caller's user, with a token
//! made from the user's own; what it does for itself, it [says](RequestExt::as_service).
//!
//! What never happens: a request to an origin that is not listed, or to a listed one without its token; a service's
//! token where a user's belongs; a token of one user with another's request; a token past the end of the one that it
//! was made from. Where no token can be obtained, the request is not sent, and [`OutboundError`] says why.
//!
//! | module | what it holds |
//! |---|---|
//! | `target`, `strategy`, `settings` | one row of the list, in code and in a file |
//! | `origin`, `path`, `when`, `targets` | which row a request belongs to: exactly one or none |
//! | `plaintext` | whether a token may travel without TLS |
//! | `acting`, `on_behalf_of`, `row` | for whom a request is made, and whose token it therefore takes |
//! | `about` | what a request says of the transaction that begins with it |
//! | `deadline` | how long a request waits for it |
//! | `source` | how a token is obtained: one file a strategy |
//! | `key`, `entry`, `kept`, `cache` | which tokens are remembered, under which key, and which are on their way |
//! | `load` | what happens on a miss, and for how long what comes is good |
//! | `issued` | what is checked of a token that was issued, before it is kept and sent |
//! | `candidate` | another way to a token, tried before it is the way for all |
//! | `bearer`, `strip` | a token as a header, and the headers that are taken away for it |
//! | `hand_off` | what this service hands over by a queue, and for whom |
//! | `key_file` | private keys in files |
//! | [`danger`] | what is looser than calling on should be |
//! | `word` | what it says itself of a user, in whatever it signs |
//! | `telemetry` | what the operator is told |
//! | `builder`, `table`, `outbound` | all of the above, checked, put together, and used |
//! | `unlisted` | what becomes of requests that have no row |
//! | `replacement` | another list in its place, while it is used |
//! | `layer`, `client`, `channel` | over a tower service, over reqwest, and over a channel of tonic |
//! | `refused`, `challenges` | what it means that a target refuses its credential, and what it wants instead |
//! | `retries`, `retry`, `replay` | the second attempt: which requests get one, for tower's retry layer, with which body |
//! | `answer` | what a target's failure becomes for our own caller |
//! | `error` | why a request was not sent |
//!
//! Feature `transaction-tokens` brings `TransactionToken`, as of draft-ietf-oauth-transaction-tokens-11.

mod about;
mod acting;
#[cfg(feature = "reqwest")]
mod answer;
mod bearer;
mod builder;
mod cache;
mod candidate;
mod challenges;
#[cfg(feature = "tonic")]
mod channel;
#[cfg(feature = "reqwest")]
mod client;
pub mod danger;
mod deadline;
mod entry;
mod error;
mod hand_off;
mod issued;
mod kept;
mod key;
mod key_file;
mod layer;
mod load;
mod near;
mod on_behalf_of;
mod origin;
mod outbound;
mod path;
mod plaintext;
mod refused;
mod replacement;
#[cfg(feature = "retry")]
mod replay;
mod retries;
#[cfg(feature = "retry")]
mod retry;
mod row;
mod settings;
mod source;
mod strategy;
mod strip;
mod table;
mod target;
mod targets;
mod telemetry;
mod unlisted;
mod when;
mod word;

#[cfg(feature = "tonic")]
pub use self::channel::{GrpcChannel, GrpcFuture};
#[cfg(feature = "transaction-tokens")]
pub use self::strategy::TransactionToken;
pub use self::{
    acting::RequestExt,
    builder::OutboundBuilder,
    candidate::Candidate,
    challenges::Demand,
    error::OutboundError,
    hand_off::{HandOff, HandOffSettings, HandOffs},
    issued::{MAX_CREDENTIAL_BYTES, ReadableJwt},
    layer::{BoxError, OutboundFuture, OutboundLayer, OutboundService},
    on_behalf_of::OnBehalfOf,
    outbound::Outbound,
    plaintext::Plaintext,
    refused::TargetRefusal,
    replacement::Replacement,
    retries::Retries,
    settings::TargetSettings,
    strategy::{
        Chaining, Embedded, EntraOnBehalfOf, IdJag, Relay, Signed, Strategies, Strategy, TokenExchange, TokenFile,
    },
    target::Target,
    unlisted::Unlisted,
};
#[cfg(feature = "reqwest")]
pub use self::{
    answer::{ResponseExt, Unsuccessful},
    client::{HttpClient, RequestBuilder, SendError},
};
#[cfg(feature = "retry")]
pub use self::{
    replay::Replay,
    retry::{RetryRefused, SetAside},
};
