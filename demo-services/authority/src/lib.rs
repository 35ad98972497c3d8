//! The demo mesh's authorization server and security token service.
//!
//! It authenticates services, issues tokens to them (client credentials), and turns a user's token for one service
//! into one for the next (token exchange, RFC 8693), by rows of policy that are data: who, from which audience, to
//! which, and what the scopes become. It gives grants to other authorization servers in the same way, and redeems those of
//! servers that it trusts (RFC 7523, draft-ietf-oauth-identity-chaining). It signs in users without asking for a password, on a developer's machine only.
//!
//! | endpoint | what it answers |
//! |---|---|
//! | `GET /.well-known/oauth-authorization-server`, `/.well-known/openid-configuration` | metadata (RFC 8414) |
//! | `GET /jwks` | public keys (RFC 7517) |
//! | `POST /token` | tokens (RFC 6749 §4.4, RFC 8693, RFC 7523) |
//! | `POST /introspect` | what a token is, to the client that it was sent to (RFC 7662) |
//! | `POST /dev/sign-in` | a user's first token, to this machine only: in a session's cookie, where the settings name one |
//! | `POST /dev/sign-out` | ends that session |
//! | `POST /dev/revoke` | ends all of a user's sessions, and says which receivers of events know of it |
//! | `POST /dev/slow` | has `/token` take that long for an answer from now on |
//!
//! The modules, in the order in which a token request meets them: `form`, `authenticate` (with `client` and
//! `replay`), `token`, `exchange` and `grant` (with `presented` and `policy`), `redeem` (with `trusted`), `transaction`, `issue` (with `claims` and `dialect`), and `error` for the rest.
//! Users' sessions are in `session`, and begin and end in `sign_in`, `sign_out` and `revoke`; `introspect` tells what a
//! token is. An end is told to the receivers in the settings: what, in `event` (RFC 8417); how, in `push` (RFC 8935).
//! `slow` has the token endpoint take its time.

mod app;
mod authenticate;
mod authority;
mod claims;
mod client;
mod dialect;
mod error;
mod event;
mod exchange;
mod form;
mod grant;
mod introspect;
mod issue;
mod layout;
mod metadata;
mod on_behalf_of;
mod policy;
mod presented;
mod push;
mod redeem;
mod replay;
mod revoke;
mod session;
mod settings;
mod sign_in;
mod sign_out;
mod slow;
mod token;
mod transaction;
mod trusted;

pub use self::{
    app::{app, of_settings, run},
    authority::Authority,
    dialect::Product,
    policy::{ClientCredentialsRow, ExchangeRow},
    settings::{
        AssertingRow, AuthoritySettings, ClientSettings, ReceiverSettings, SignInSettings, TransactionRow,
        TransactionSettings, TrustedSettings,
    },
};
