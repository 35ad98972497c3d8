//! What of our configuration is not as the authorization server has it.

use std::fmt;

use http::StatusCode;

use super::ErrorCode;

/// What of our configuration an authorization server does not go along with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigurationProblem {
    /// The server says so by this code.
    Code(ErrorCode),
    /// The server says so by the status alone: it does not know us, or this is not its token endpoint.
    Status(StatusCode),
    /// The server has no metadata at the configured issuer, or the metadata of another issuer.
    Discovery,
    /// The client assertion could not be signed.
    Assertion,
    /// There is nothing to prove by who we are: see the source, a [`CredentialError`](crate::CredentialError). The server
    /// was not asked.
    Credential,
    /// The server ends the connection because of our certificate, or because we showed none: see the source, a
    /// [`FetchError`](crate::FetchError).
    Certificate,
    /// The subject token is neither for this client there nor was it issued to it. Keycloak's.
    NotInAudience,
    /// The audience that is asked for is no client there that can be one. Keycloak's, who says it by the code of a failed
    /// client authentication.
    UnknownAudience,
}

impl fmt::Display for ConfigurationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "it answers {code}; {}", advice(code.as_str())),
            Self::Status(status) => {
                write!(f, "it answers {status} without an error code; check the endpoint's URL, and the client")
            }
            Self::Discovery => {
                f.write_str("it has no metadata at the configured issuer; check issuer, or name the endpoint")
            }
            Self::NotInAudience => f.write_str(
                "the subject token is not for this client; have client_id put into its aud there, by an audience mapper",
            ),
            Self::UnknownAudience => f.write_str(
                "the target's audience is not the id of an enabled client there, or this client is a public one",
            ),
            Self::Credential => f.write_str("there is no credential that could be presented to it"),
            Self::Certificate => f.write_str(
                "it refuses the client certificate; check client_certificate, and whose certificates it takes",
            ),
            Self::Assertion => f.write_str("the client assertion cannot be signed; check the key"),
        }
    }
}

/// What to look at.
fn advice(code: &str) -> &'static str {
    match code {
        "invalid_client" => "check client_id, and the secret, key or certificate",
        "unauthorized_client" | "unsupported_grant_type" => "the client has to be allowed this grant there",
        "invalid_target" | "invalid_resource" => "check the target's audience and resource",
        "invalid_scope" | "scope_invalid" | "insufficient_scope" | "scope_escalation" => "check the target's scopes",
        "invalid_dpop_proof" | "use_dpop_nonce" => "the server demands DPoP of the client, which is not sent",
        _ => "check the client, and what it asks for",
    }
}
