//! Two authorization servers that trust each other so far, and whose signatures hold: what the grants come to.

use tower_identity_core::{RefusalKind, Scopes, SecretToken};
use tower_identity_oauth::{
    ClientAuth, EntraOnBehalfOf, Grant, Http, IssuedAssertion, JwtBearer, TargetService, TokenClient, TokenEndpoint,
    TokenError, TokenExchange, TokenType, Urgency,
};
use tower_identity_testkit::{ManualClock, TestIssuer};

/// The user's home, and the partner that takes its assertions.
struct Domains {
    home: TestIssuer,
    partner: TestIssuer,
    http: Http,
}

impl Domains {
    fn new() -> Self {
        let clock = ManualClock::new();
        let start = || TestIssuer::builder().clock(clock.clock()).start();
        let (home, partner) = (start(), start());
        partner.accept(&home);
        Self { home, partner, http: Http::new(clock.clock()).expect("TLS can be set up") }
    }

    fn client(&self, of: &TestIssuer, id: &str) -> TokenClient {
        let auth = ClientAuth::client_secret_basic(id, "hunter2").expect("usable");
        TokenEndpoint::discover(of.issuer().as_str(), auth).connect(&self.http).expect("loopback")
    }

    /// An assertion of the home for this server, for alice.
    async fn assertion(&self, to: &TestIssuer, requested: TokenType) -> IssuedAssertion {
        let target = TargetService {
            audience: Some(to.issuer().as_str().parse().expect("audience")),
            ..TargetService::default()
        };
        let users = self.home.token().subject("alice").client("storefront").audience("orders").build();
        let exchange = TokenExchange::new(users, target).expect("exchangeable").requested_token_type(requested);
        self.client(&self.home, "orders").request_assertion(exchange, Urgency::Waiting).await.expect("an assertion")
    }

    async fn present(&self, assertion: &SecretToken, client: &str) -> Result<(), TokenError> {
        let target =
            TargetService { scopes: Scopes::parse("credit:check").expect("scopes"), ..TargetService::default() };
        let grant = Grant::from(JwtBearer::new(assertion.clone(), target).expect("an assertion"));
        self.client(&self.partner, client).request(&grant).await.map(drop)
    }
}

fn kind(result: Result<(), TokenError>) -> Result<(), RefusalKind> {
    result.map_err(|error| error.refusal().kind().clone())
}

#[tokio::test]
async fn ch_b2_an_assertion_is_taken_by_the_server_that_it_is_for_and_once() {
    let domains = Domains::new();
    let assertion = domains.assertion(&domains.partner, TokenType::Jwt).await.into_token();
    assert_eq!(kind(domains.present(&assertion, "orders").await), Ok(()));
    assert_eq!(kind(domains.present(&assertion, "orders").await), Err(RefusalKind::InvalidToken), "a second time");

    let for_another = domains.assertion(&domains.home, TokenType::Jwt).await.into_token();
    assert_eq!(kind(domains.present(&for_another, "orders").await), Err(RefusalKind::InvalidToken));
}

#[tokio::test]
async fn jag_b1_an_identity_assertion_is_taken_of_the_client_that_it_names() {
    let domains = Domains::new();
    let assertion = || async { domains.assertion(&domains.partner, TokenType::IdJag).await.into_token() };
    assert_eq!(kind(domains.present(&assertion().await, "orders").await), Ok(()));
    assert_eq!(kind(domains.present(&assertion().await, "storefront").await), Err(RefusalKind::InvalidToken));
}

#[tokio::test]
async fn obo_b4_on_behalf_of_is_for_a_users_token_that_is_for_this_client() {
    let domains = Domains::new();
    let ask = async |users: SecretToken| {
        let target = TargetService { scopes: Scopes::parse("payments").expect("scopes"), ..TargetService::default() };
        let grant = Grant::from(EntraOnBehalfOf::new(users, target).expect("exchangeable"));
        kind(domains.client(&domains.home, "orders").request(&grant).await.map(drop))
    };
    let token = |audience: &str| domains.home.token().client("storefront").audience(audience);
    assert_eq!(ask(token("api://orders").subject("alice").build()).await, Ok(()));
    assert_eq!(ask(token("api://stock").subject("alice").build()).await, Err(RefusalKind::InvalidToken));
    assert_eq!(ask(token("api://orders").build()).await, Err(RefusalKind::InvalidToken), "an app's own");
}
