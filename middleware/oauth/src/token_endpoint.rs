//! Where tokens are asked for, and who we are there: the description, before anything is connected.

use tower_identity_core::{Fingerprint, InvalidSetting, Issuer};

use crate::{
    ClientAuth, Discovery, DiscoveryOptions, DiscoveryOrder, Endpoint, Http, Parameters, TokenClient,
    discovery::url_of,
    token_client::{At, Connection},
};

/// How many calls of one server wait for their turn, where nothing else is said.
const LINE: usize = 256;

/// The most endpoints that one server has.
const MAX_ENDPOINTS: usize = 8;

/// One authorization server and who we are there.
///
/// A description: it holds what it was given, and the first thing that is wrong with it comes out of
/// [`connect`](Self::connect). Descriptions that are equal, secrets and keys included, make clients that are alike: who
/// reads a configuration again may keep the client that is there.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEndpoint {
    issuer: String,
    at: Option<String>,
    also_at: Vec<String>,
    order: DiscoveryOrder,
    auth: ClientAuth,
    accepts: Vec<String>,
    parameters: Parameters,
    line: usize,
}

impl TokenEndpoint {
    /// The largest number that can be set for [`line`](Self::line).
    pub const MAX_LINE: usize = 65_536;

    /// The authorization server of this issuer, whose token endpoint is found in its metadata at first use.
    #[must_use]
    pub fn discover(issuer: impl Into<String>, auth: ClientAuth) -> Self {
        Self {
            issuer: issuer.into(),
            at: None,
            also_at: Vec::new(),
            order: DiscoveryOrder::default(),
            auth,
            accepts: Vec::new(),
            parameters: Parameters::default(),
            line: LINE,
        }
    }

    /// The authorization server of this issuer, whose token endpoint is known. Nothing is fetched from the issuer,
    /// which may be the public name of a server that is reached inside.
    #[must_use]
    pub fn at(issuer: impl Into<String>, token_endpoint: impl Into<String>, auth: ClientAuth) -> Self {
        Self { at: Some(token_endpoint.into()), ..Self::discover(issuer, auth) }
    }

    /// Another endpoint of the same server, for an endpoint that is known: the same issuer, and the same client there. It
    /// is asked where those before it are out of reach, or were so often that they are left alone for a while.
    ///
    /// ```
    /// use tower_identity_oauth::{ClientAuth, TokenEndpoint};
    ///
    /// let orders = ClientAuth::client_secret_basic("orders", "s3cr3t")?;
    /// let login = TokenEndpoint::at("https://login.example.com", "https://eu.login.example.com/token", orders)
    ///     .also_at("https://us.login.example.com/token");
    /// # let _ = login;
    /// # Ok::<(), tower_identity_core::InvalidSetting>(())
    /// ```
    #[must_use]
    pub fn also_at(mut self, token_endpoint: impl Into<String>) -> Self {
        self.also_at.push(token_endpoint.into());
        self
    }

    /// How many calls wait for their turn while 64 are under way at this server: 256 by default. Beyond it a call fails at
    /// once, as unavailable; none waits longer than [`DEADLINE`](crate::DEADLINE). All clients of an issuer stand in one
    /// line.
    #[must_use]
    pub fn line(mut self, calls: usize) -> Self {
        self.line = calls;
        self
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

    /// What goes along with each call, besides what the protocol says: what a server demands of its own. A target may say
    /// another value of the same name.
    #[must_use]
    pub fn parameters(mut self, parameters: Parameters) -> Self {
        self.parameters = parameters;
        self
    }

    /// Checks the description beside that of another server, where this service is a client, too. A key that signs
    /// [assertions for somebody else](crate::AssertionStyle) than the issuer signs for one server only: else each of the
    /// two could use at the other what it is sent (draft-ietf-oauth-rfc7523bis).
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `assertion.audience`.
    pub fn check_beside(&self, other: &Self) -> Result<(), InvalidSetting> {
        if self.issuer == other.issuer || !self.auth.is_good_for(&other.auth) {
            return Ok(());
        }
        let rule = format!(
            "is another than the issuer, here or at {}, where the same key signs; use a key of its own for each",
            other.issuer
        );
        Err(InvalidSetting::new("audience", rule).within("assertion"))
    }

    /// Checks the description, and makes a client of it. Sends nothing, and needs no server that is up.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] of `issuer`, `token_endpoint`, `accepts_issuers` or `line`, or of a file of the client's that
    /// cannot be used.
    pub fn connect(&self, http: &Http) -> Result<TokenClient, InvalidSetting> {
        let Checked { issuer, at, accepts } = self.check()?;
        let fingerprint = self.fingerprint(&issuer, &at);
        let at = if at.is_empty() {
            let options = DiscoveryOptions::default().order(self.order);
            At::Discovered(Discovery::with(&options, issuer.clone(), http.clone())?)
        } else {
            At::Known(at)
        };
        let (auth, prover, parameters) = (self.auth.clone(), self.auth.prover(http)?, self.parameters.clone());
        let connection = Connection { issuer, accepts, at, auth, prover, parameters, room: self.line, fingerprint };
        Ok(TokenClient::new(connection, http.clone()))
    }

    /// The endpoints of one server are ways to the same tokens, in whichever order they are listed. They count all the
    /// same: what two configurations call by one issuer may be two servers.
    fn fingerprint(&self, issuer: &Issuer, at: &[Endpoint]) -> Fingerprint {
        let mut at: Vec<_> = at.iter().map(|endpoint| endpoint.url().as_str()).collect();
        at.sort_unstable();
        Fingerprint::of("token-endpoint")
            .field(issuer.as_str())
            .list(at)
            .field(self.auth.fingerprint().as_bytes())
            .field(self.parameters.fingerprint().as_bytes())
            .finish()
    }

    /// The whole description, before it is known whether anything is wrong with it.
    pub(crate) fn described(&self) -> Fingerprint {
        Fingerprint::of("token-endpoint-description")
            .field(&self.issuer)
            .optional(self.at.as_deref())
            .list(&self.also_at)
            .field(self.auth.fingerprint().as_bytes())
            .field(self.parameters.fingerprint().as_bytes())
            .finish()
    }

    /// Everything that can be wrong, in files too.
    pub(crate) fn check_whole(&self) -> Result<(), InvalidSetting> {
        self.check()?;
        self.auth.check()
    }

    /// Everything that can be wrong, without a client and without files.
    pub(crate) fn check(&self) -> Result<Checked, InvalidSetting> {
        let parse = |value: &str| Issuer::parse(value).map_err(|broken| broken.to_string());
        let issuer = parse(&self.issuer).map_err(|rule| InvalidSetting::new("issuer", rule))?;
        let at = self.endpoints(&issuer)?;
        let mut accepts = vec![issuer.clone()];
        for (index, other) in self.accepts.iter().enumerate() {
            let invalid = |rule| InvalidSetting::new(index, rule).within("accepts_issuers");
            accepts.push(parse(other).map_err(invalid)?);
        }
        if self.line > Self::MAX_LINE {
            return Err(InvalidSetting::new("line", format!("is more than {}", Self::MAX_LINE)));
        }
        Ok(Checked { issuer, at, accepts })
    }

    /// The endpoints that are known; none where metadata names one.
    fn endpoints(&self, issuer: &Issuer) -> Result<Vec<Endpoint>, InvalidSetting> {
        const FIELD: &str = "token_endpoint";
        let Some(first) = &self.at else {
            if self.auth.is_for_another() {
                let rule =
                    "is missing: an assertion for another audience than the issuer goes nowhere that metadata says";
                return Err(InvalidSetting::new(FIELD, rule));
            }
            url_of(issuer)?;
            return match self.also_at[..] {
                [] => Ok(Vec::new()),
                _ => Err(InvalidSetting::new(FIELD, "others go with one that is known; here metadata names it")),
            };
        };
        let mut at = Vec::new();
        for (index, url) in [first].into_iter().chain(&self.also_at).enumerate() {
            let invalid = |rule: String| match self.also_at[..] {
                [] => InvalidSetting::new(FIELD, rule),
                _ => InvalidSetting::new(index, rule).within(FIELD),
            };
            let endpoint = Endpoint::parse(url).map_err(|broken| invalid(broken.to_string()))?;
            if self.auth.is_by_certificate() {
                endpoint.with_tls().map_err(|broken| invalid(broken.to_string()))?;
            }
            if at.contains(&endpoint) {
                return Err(invalid("is listed twice".to_owned()));
            }
            if index == MAX_ENDPOINTS {
                return Err(invalid(format!("is one too many: a server has {MAX_ENDPOINTS} at most")));
            }
            at.push(endpoint);
        }
        Ok(at)
    }
}

/// A description in which nothing is wrong.
pub(crate) struct Checked {
    issuer: Issuer,
    /// None where metadata names one.
    at: Vec<Endpoint>,
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
        let at = |url: &str| TokenEndpoint::at("https://as.example", url, orders());
        let plain = at("https://as.example/token").also_at("http://as.example/token");
        assert_eq!(refused(plain), format!("token_endpoint[1]: {rule}"));
        let twice = at("https://as.example/token").also_at("https://as.example:443/token");
        assert_eq!(refused(twice), "token_endpoint[1]: is listed twice");
        let many = |others: usize| {
            (1..=others).fold(at("https://0.example"), |at, n| at.also_at(format!("https://{n}.example")))
        };
        assert_eq!(refused(many(8)), "token_endpoint[8]: is one too many: a server has 8 at most");
        connected(&many(7));
        let found = TokenEndpoint::discover("https://as.example", orders()).also_at("https://as.example/token");
        assert_eq!(refused(found), "token_endpoint: others go with one that is known; here metadata names it");
        assert_eq!(refused(at("https://as.example/token").line(65_537)), "line: is more than 65536");
        connected(&at("https://as.example/token").line(65_536));
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
            TokenEndpoint::at("https://as.example", token, auth("orders")).also_at("https://inside.example/token"),
            TokenEndpoint::at("https://as.example", token, auth("orders")).also_at("https://us.example/token"),
        ];
        let fingerprints: Vec<_> = all.iter().map(|endpoint| connected(endpoint).fingerprint()).collect();
        for (at, one) in fingerprints.iter().enumerate() {
            assert!(!fingerprints[at + 1..].contains(one), "{at}");
        }
        assert_eq!(connected(&all[0]).fingerprint(), fingerprints[0]);
    }

    #[test]
    fn out_b1_the_order_of_endpoints_and_how_calls_wait_make_no_other_token() {
        let (one, other) = ("https://as.example/token", "https://inside.example/token");
        let of =
            |first: &str, second: &str| TokenEndpoint::at("https://as.example", first, auth("orders")).also_at(second);
        let fingerprint = connected(&of(one, other)).fingerprint();
        assert_eq!(connected(&of(other, one)).fingerprint(), fingerprint);
        let patient = of(one, other).line(7).accepts_issuer("https://partner.example");
        assert_eq!(connected(&patient).fingerprint(), fingerprint);
    }

    #[test]
    fn descriptions_are_equal_where_they_make_the_same_client() {
        use tower_identity_jose::{Algorithm, SigningKey};

        let key = SigningKey::generate(Algorithm::Es256).expect("key");
        let [basic, post] = [ClientAuth::client_secret_basic, ClientAuth::client_secret_post];
        let signed = |key: SigningKey| ClientAuth::private_key_jwt("orders", key).expect("usable");
        let of = |auth: ClientAuth| TokenEndpoint::at("https://as.example", "https://as.example/token", auth);
        let usable = |auth: Result<ClientAuth, InvalidSetting>| of(auth.expect("usable"));
        let all = || {
            vec![
                usable(basic("orders", "hunter2")),
                usable(basic("orders", "hunter3")),
                usable(basic("payments", "hunter2")),
                usable(post("orders", "hunter2")),
                usable(post("orders", "hunter3")),
                of(signed(key.clone())),
                of(signed(key.clone().with_key_id("2026"))),
                of(signed(SigningKey::generate(Algorithm::Es256).expect("key"))),
                usable(post("orders", "hunter2")).also_at("https://us.example/token"),
                usable(post("orders", "hunter2")).line(7),
                usable(post("orders", "hunter2")).accepts_issuer("https://partner.example"),
                TokenEndpoint::discover("https://as.example", auth("orders")),
                TokenEndpoint::discover("https://as.example", auth("orders")).discovery(DiscoveryOrder::OidcOnly),
            ]
        };
        for (at, one) in all().iter().enumerate() {
            for (other_at, other) in all().iter().enumerate().filter(|(other_at, _)| (at, *other_at) != (7, 7)) {
                assert_eq!(one == other, at == other_at, "{at} {other_at}");
            }
        }
    }
}
