//! Where tokens are asked for, and who we are there: the description, before anything is connected.

use tower_identity_core::{Fingerprint, InvalidSetting, Issuer};

use crate::{
    ClientAuth, Discovery, DiscoveryOptions, DiscoveryOrder, Endpoint, Http, TokenClient, discovery::url_of,
    token_client::Where,
};

/// One authorization server and who we are there.
///
/// A description: it holds what it was given, and the first thing that is wrong with it comes out of
/// [`connect`](Self::connect).
///
/// ```
/// use tower_identity_oauth::{ClientAuth, Http, TokenEndpoint};
/// use tower_identity_refresh::system_clock;
///
/// let http = Http::new(system_clock())?;
/// let auth = ClientAuth::client_secret_basic("orders", "s3cr3t")?;
/// let client = TokenEndpoint::discover("https://login.example.com", auth.clone()).connect(&http)?;
/// assert_eq!(client.issuer().as_str(), "https://login.example.com");
///
/// let refused = TokenEndpoint::discover("http://login.example.com", auth).connect(&http);
/// let rule = refused.expect_err("not https").to_string();
/// assert_eq!(rule, r#"issuer: "http://login.example.com" is neither https nor http on a loopback address"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TokenEndpoint {
    issuer: String,
    at: Option<String>,
    order: DiscoveryOrder,
    auth: ClientAuth,
    accepts: Vec<String>,
}

impl TokenEndpoint {
    /// The authorization server of this issuer, whose token endpoint is found in its metadata at first use.
    #[must_use]
    pub fn discover(issuer: impl Into<String>, auth: ClientAuth) -> Self {
        Self { issuer: issuer.into(), at: None, order: DiscoveryOrder::default(), auth, accepts: Vec::new() }
    }

    /// The authorization server of this issuer, whose token endpoint is known. Nothing is fetched from the issuer,
    /// which may be the public name of a server that is reached inside.
    #[must_use]
    pub fn at(issuer: impl Into<String>, token_endpoint: impl Into<String>, auth: ClientAuth) -> Self {
        Self { at: Some(token_endpoint.into()), ..Self::discover(issuer, auth) }
    }

    /// Where the issuer's metadata is looked for, and in which order. Of no use to an endpoint that is known.
    #[must_use]
    pub fn discovery(mut self, order: DiscoveryOrder) -> Self {
        self.order = order;
        self
    }

    /// States that subject tokens of this issuer may be sent there too. Its own may be without saying so.
    #[must_use]
    pub fn accepts_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.accepts.push(issuer.into());
        self
    }

    /// Checks the description, and makes a client of it. Sends nothing, and needs no server that is up.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `issuer`, `token_endpoint` or `accepts_issuers`.
    pub fn connect(&self, http: &Http) -> Result<TokenClient, InvalidSetting> {
        let Checked { issuer, at, accepts } = self.check()?;
        let at = match at {
            None => {
                let options = DiscoveryOptions::default().order(self.order);
                Where::Discovered(Discovery::with(&options, issuer.clone(), http.clone())?)
            }
            Some(endpoint) => Where::Known(endpoint),
        };
        let fingerprint = Fingerprint::of("token-endpoint")
            .field(issuer.as_str())
            .optional(self.at.as_deref())
            .field(self.auth.fingerprint().as_bytes())
            .finish();
        Ok(TokenClient::new(issuer, accepts, at, self.auth.clone(), http.clone(), fingerprint))
    }

    /// Everything that can be wrong, without a client.
    pub(crate) fn check(&self) -> Result<Checked, InvalidSetting> {
        let parse = |value: &str| Issuer::parse(value).map_err(|broken| broken.to_string());
        let issuer = parse(&self.issuer).map_err(|rule| InvalidSetting::new("issuer", rule))?;
        let at = match &self.at {
            None => url_of(&issuer).map(|_| None)?,
            Some(url) => {
                Some(Endpoint::parse(url).map_err(|broken| InvalidSetting::new("token_endpoint", broken.to_string()))?)
            }
        };
        let mut accepts = vec![issuer.clone()];
        for (index, other) in self.accepts.iter().enumerate() {
            let invalid = |rule| InvalidSetting::new(index, rule).within("accepts_issuers");
            accepts.push(parse(other).map_err(invalid)?);
        }
        Ok(Checked { issuer, at, accepts })
    }
}

/// A description in which nothing is wrong.
pub(crate) struct Checked {
    issuer: Issuer,
    at: Option<Endpoint>,
    accepts: Vec<Issuer>,
}

#[cfg(test)]
mod tests {
    use tower_identity_refresh::system_clock;

    use super::*;

    fn auth(client_id: &str) -> ClientAuth {
        ClientAuth::client_secret_basic(client_id, "hunter2").expect("usable")
    }

    fn http() -> Http {
        Http::new(system_clock()).expect("TLS can be set up")
    }

    fn connected(endpoint: &TokenEndpoint) -> TokenClient {
        endpoint.connect(&http()).expect("nothing is wrong")
    }

    #[test]
    fn a_server_accepts_tokens_of_its_own_issuer_and_of_those_that_are_listed_to_the_byte() {
        let accepts = |client: &TokenClient, issuer: &str| client.accepts(&issuer.parse().expect("issuer"));
        let alone = connected(&TokenEndpoint::discover("https://as.example", auth("orders")));
        assert!(accepts(&alone, "https://as.example"));
        assert!(!accepts(&alone, "https://as.example/"));
        assert!(!accepts(&alone, "https://other.example"));

        let endpoint = TokenEndpoint::discover("https://as.example", auth("orders"));
        let both = connected(&endpoint.accepts_issuer("https://other.example"));
        assert!(accepts(&both, "https://as.example"));
        assert!(accepts(&both, "https://other.example"));
        assert!(!accepts(&both, "https://other.example/"));
    }

    #[test]
    fn what_is_wrong_is_kept_until_it_is_connected() {
        let refused = |endpoint: TokenEndpoint| endpoint.connect(&http()).expect_err("refused").to_string();
        let rule = "is neither https nor http on a loopback address";
        let orders = || auth("orders");
        assert_eq!(refused(TokenEndpoint::discover("", orders())), "issuer: issuer is empty");
        let plain = TokenEndpoint::discover("http://as.example", orders());
        assert_eq!(refused(plain), format!("issuer: \"http://as.example\" {rule}"));
        let query = TokenEndpoint::discover("https://as.example?a", orders());
        assert_eq!(refused(query), "issuer: \"https://as.example?a\" has a query");
        let plain = TokenEndpoint::at("https://as.example", "http://as.example/token", orders());
        assert_eq!(refused(plain), format!("token_endpoint: {rule}"));
        let nameless = TokenEndpoint::discover("https://as.example", orders()).accepts_issuer("");
        assert_eq!(refused(nameless), "accepts_issuers[0]: issuer is empty");
    }

    #[test]
    fn out_b1_a_fingerprint_differs_by_issuer_endpoint_and_client() {
        let token = "https://as.example/token";
        let all = [
            TokenEndpoint::discover("https://as.example", auth("orders")),
            TokenEndpoint::discover("https://as.example/", auth("orders")),
            TokenEndpoint::discover("https://as.example", auth("payments")),
            TokenEndpoint::at("https://as.example", token, auth("orders")),
            TokenEndpoint::at("https://as.example", "https://inside.example/token", auth("orders")),
        ];
        let fingerprints: Vec<_> = all.iter().map(|endpoint| connected(endpoint).fingerprint()).collect();
        for (at, one) in fingerprints.iter().enumerate() {
            assert!(!fingerprints[at + 1..].contains(one), "{at}");
        }
        assert_eq!(connected(&all[0]).fingerprint(), fingerprints[0]);
    }
}
