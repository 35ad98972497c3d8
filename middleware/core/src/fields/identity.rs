//! The header fields by which others have told services who is calling.

use super::Pattern;

/// Names that one kind of gateway or proposal uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who writes them, and what a service behind believes.
    pub why: &'static str,
    /// What they are called.
    pub names: &'static [Pattern],
}

const fn name(name: &'static str) -> Pattern {
    Pattern::name(name)
}

const fn begins(name: &'static str) -> Pattern {
    Pattern::begins(name)
}

/// All that say who is calling.
pub const IDENTITY: &[Identity] = &[
    Identity {
        why: "transaction tokens travel within one trust domain, and are issued inside of it",
        names: &[name("txn-token")],
    },
    Identity {
        why: "WIMSE: a workload's identity and the proof of it, of this trust domain",
        names: &[begins("workload-identity-"), begins("workload-proof-")],
    },
    Identity {
        why: "RFC 9440: what a TLS terminator saw of the client's certificate; outside of it anybody can write it",
        names: &[name("client-cert"), name("client-cert-chain")],
    },
    Identity {
        why: "what a TLS terminator saw, by Envoy, Traefik, nginx, HAProxy, ingress-nginx, AWS and Azure load balancers",
        names: &[
            name("x-forwarded-client-cert"),
            begins("x-forwarded-tls-client-"),
            begins("x-client-cert"),
            begins("x-client-verify"),
            begins("x-client-dn"),
            begins("x-tls-client-"),
            begins("x-ssl-"),
            begins("ssl-client-"),
            begins("x-amzn-mtls-"),
            name("x-arr-clientcert"),
        ],
    },
    Identity {
        why: "the caller's SPIFFE or mesh identity, as a sidecar saw it",
        names: &[begins("x-spiffe-"), name("spiffe-id"), begins("l5d-client-")],
    },
    Identity {
        why: "oauth2-proxy: the user that signed in, and the tokens that it got",
        names: &[
            begins("x-auth-request-"),
            name("x-forwarded-user"),
            name("x-forwarded-email"),
            begins("x-forwarded-group"),
            name("x-forwarded-preferred-username"),
            name("x-forwarded-access-token"),
            name("x-forwarded-id-token"),
        ],
    },
    Identity {
        why: "what many a gateway and home-grown service calls the user",
        names: &[
            begins("x-user"),
            begins("x-auth-user"),
            begins("x-authenticated-"),
            begins("x-id-token"),
            begins("x-jwt-"),
            begins("x-token-"),
            name("x-access-token"),
        ],
    },
    Identity {
        why: "the CGI variable REMOTE_USER and its kin: Authelia, Kubernetes' front proxy, Shibboleth, mod_auth_openidc",
        names: &[
            name("remote-user"),
            begins("remote-group"),
            name("remote-name"),
            name("remote-email"),
            begins("x-remote-user"),
            begins("x-remote-group"),
            begins("x-remote-extra-"),
            name("x-remote-uid"),
            begins("x-shib-"),
            begins("shib-"),
            begins("oidc-"),
        ],
    },
    Identity {
        why: "Kubernetes: acts as somebody else, if a proxy in front passes it on with its own rights",
        names: &[begins("impersonate-")],
    },
    Identity {
        why: "identity-aware proxies: Grafana, authentik, Pomerium, Vouch, Kong, Cloudflare, Google, AWS, Azure, Tailscale, \
              Keycloak's gatekeeper",
        names: &[
            begins("x-webauth-"),
            begins("x-authentik-"),
            begins("x-pomerium-"),
            begins("x-vouch-"),
            begins("x-consumer-"),
            begins("x-credential-"),
            name("x-anonymous-consumer"),
            begins("cf-access-"),
            begins("x-goog-authenticated-"),
            begins("x-goog-iap-"),
            name("x-endpoint-api-userinfo"),
            name("x-apigateway-api-userinfo"),
            begins("x-amzn-oidc-"),
            begins("x-ms-client-principal"),
            begins("x-ms-token-"),
            begins("tailscale-"),
            name("x-auth-subject"),
            name("x-auth-email"),
            name("x-auth-roles"),
            name("x-auth-groups"),
        ],
    },
];

/// The fields that a request presents its own credential in: the caller's, and the one to a proxy. Of these a cookie is
/// one too: browsers present their sessions so.
pub const CREDENTIALS: &[Pattern] = &[name("authorization"), name("proxy-authorization"), name("dpop"), name("cookie")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6750_a9_no_name_is_listed_twice() {
        let all: Vec<_> = IDENTITY.iter().flat_map(|row| row.names).chain(CREDENTIALS).collect();
        for (at, pattern) in all.iter().enumerate() {
            assert!(!all[..at].iter().any(|other| other.meets(pattern)), "{pattern:?}");
        }
    }
}
