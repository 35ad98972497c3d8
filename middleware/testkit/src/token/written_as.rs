//! Tokens as the issuers of other profiles write them.

use serde_json::{Value, json};
use tower_identity_verify::Profile;

use super::TokenBuilder;

impl TokenBuilder {
    /// Rewrites the token as an issuer of this profile writes it: the same client, user, audience and scope, under the
    /// names that it has for them. What is set later stays as it is set.
    ///
    /// A token about a user other than its client becomes a user's, any other one the client's own. What a profile takes
    /// from elsewhere has to be so already: for Entra the issuer ends in a tenant, for `JwtSvid` the client is a SPIFFE
    /// ID, and for `Kubernetes` a service account, `system:serviceaccount:<namespace>:<name>`.
    ///
    /// ```
    /// use tower_identity_testkit::TestIssuer;
    /// use tower_identity_verify::{Profile, TrustedIssuer, Verifier};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let issuer = TestIssuer::start();
    /// let trusted = TrustedIssuer::discover(issuer.issuer().as_str()).audience("orders").profile(Profile::Keycloak);
    /// let verifier = Verifier::builder(trusted).build()?;
    ///
    /// let token = issuer.token().subject("alice").client("storefront").audience("orders");
    /// let (strict, keycloak) = (token.clone().build(), token.written_as(Profile::Keycloak).build());
    /// assert_eq!(verifier.bearer(strict.expose()).await.expect_err("of another shape").check(), "kind");
    /// assert!(verifier.bearer(keycloak.expose()).await.is_ok());
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When the profile has no such token: a user's of `JwtSvid` or `Kubernetes`, or one of Entra without a tenant.
    #[track_caller]
    pub fn written_as(self, profile: Profile) -> Self {
        let claimed = |name: &str| self.claims().get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (client, subject, scope) = (claimed("client_id"), claimed("sub"), claimed("scope"));
        let user = (subject != client).then_some(subject);
        let tenant = || {
            let issuer = claimed("iss");
            let path = issuer.strip_suffix("/v2.0").or(issuer.strip_suffix('/')).unwrap_or_default();
            let tenant = path.rsplit('/').next().unwrap_or_default();
            assert!(!tenant.is_empty(), "an issuer of Entra's ends in its tenant: {issuer}");
            tenant.to_owned()
        };
        let nobodys = || assert!(user.is_none(), "{profile:?} knows no users");
        match profile {
            Profile::Plain => self.header("typ", "JWT"),
            Profile::Keycloak => {
                let token =
                    self.without("client_id").header("typ", "JWT").claim("typ", "Bearer").claim("azp", &*client);
                match user {
                    Some(user) => token.claim("preferred_username", user),
                    None => {
                        let account = format!("service-account-{}", client.to_lowercase());
                        token.claim("preferred_username", account).claim("client_id", client)
                    }
                }
            }
            Profile::EntraV1 | Profile::EntraV2 => {
                let (version, client_claim) =
                    if profile == Profile::EntraV1 { ("1.0", "appid") } else { ("2.0", "azp") };
                let tenant = tenant();
                let token = self.without("client_id").without("scope").without("jti").header("typ", "JWT");
                let token = token.claim("ver", version).claim("tid", tenant).claim(client_claim, &*client);
                match user {
                    Some(user) => token.claim("sub", format!("pairwise-{user}")).claim("oid", user).claim("scp", scope),
                    None => token.claim("oid", &*client).claim("idtyp", "app"),
                }
            }
            Profile::Okta => {
                let scopes: Vec<_> = scope.split(' ').filter(|scope| !scope.is_empty()).collect();
                let token = self.without("client_id").without("scope").without_header("typ");
                let token = token.claim("ver", 1).claim("cid", client).claim("scp", json!(scopes));
                match user {
                    Some(user) => token.claim("sub", format!("{user}@example.com")).claim("uid", user),
                    None => token,
                }
            }
            Profile::Auth0 => {
                let token = self.without("client_id").without("jti").header("typ", "JWT").claim("azp", &*client);
                match user {
                    Some(user) if user.contains('|') => token,
                    Some(user) => token.claim("sub", format!("auth0|{user}")),
                    None => token.claim("sub", format!("{client}@clients")).claim("gty", "client-credentials"),
                }
            }
            Profile::Cognito => {
                let token = self.without_header("typ").claim("token_use", "access").claim("version", 2);
                match user {
                    Some(user) => token.claim("username", user),
                    None => token,
                }
            }
            Profile::JwtSvid => {
                nobodys();
                self.without("client_id").without("scope").without("iss").without_header("typ")
            }
            Profile::Kubernetes => {
                nobodys();
                let account = client.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
                let (namespace, name) = account.unwrap_or_else(|| panic!("{client:?} is no service account"));
                let bound = json!({"namespace": namespace, "serviceaccount": {"name": name}});
                self.without("client_id").without("scope").without_header("typ").claim("kubernetes.io", bound)
            }
            // RFC 9068 is how a token is written without further words.
            _ => self,
        }
    }
}
