//! Our services and the servers of others: what they issue, we verify; what we issue, they verify.
//!
//! | room | what stands on the other side |
//! |---|---|
//! | `oauth_as` | oauth-as (Rust), in this process: its user's tokens, its chains of actors, and its opaque tokens |
//! | `oidc_provider` | oidc-provider (Node.js): each algorithm, ID tokens, rotated and withdrawn keys, an outage of keys; introspection, signed or not, and revocation; clients with certificates, and tokens that are bound to them |
//! | `asked` | each of them, asked for tokens by our client over a line that fails |
//! | `contract` | each of them, and our own authority, behind a proxy of ours that keeps us waiting and changes what they say: what our strategies keep to |
//! | `proxied` | nginx, HAProxy and Envoy in front of a service, which says whose certificate it was shown; these, Traefik and Caddy, which ask an edge of ours first |
//! | `authgent` | authgent-server (Python), which writes `typ: JWT` |
//! | `verifiers` | jose and oauth4webapi (Node.js), PyJWT, joserfc and Authlib (Python), which judge our authority's tokens |
//!
//! The programs are in `tests/interop`, and so are the exact versions of what they need, which `install` fetches once.
//! They listen on loopback, at free ports, and end with their test.

mod asked;
mod authgent;
mod contract;
mod install;
mod oauth_as;
mod oidc_provider;
mod peer;
mod proxied;
pub(crate) mod service;
mod verifiers;
