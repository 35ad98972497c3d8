//! The whole way: what the listener saw of a client is what the layer behind it judges.

use axum::{Extension, Router, routing::get};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::json;
use tower_identity_core::{CallerName, CertificateThumbprint, SecretToken};
use tower_identity_inbound::{AuthLayer, ClientCertificate, Inbound};
use tower_identity_testkit::{TestCertificate, TestIssuer, TokenBuilder};
use tower_identity_verify::{CertificateAnchor, TrustedIssuer, Verifier, VerifierBuilder};

use crate::support::{House, Served, answer_over};

const DOMAIN: &str = "spiffe://example.org";

/// Login's users, and the workloads of a trust domain.
struct Shop {
    house: House,
    login: TestIssuer,
}

impl Shop {
    fn new() -> Self {
        let house = House::new();
        let login = TestIssuer::builder().clock(house.time.clock()).start();
        Self { house, login }
    }

    fn verifier(&self) -> VerifierBuilder {
        let home = TrustedIssuer::discover(self.login.issuer().as_str()).audience("payments");
        Verifier::builder(home)
            .certificates(CertificateAnchor::trust_domain("example.org", self.house.clients.pem()))
            .clock(self.house.time.clock())
    }

    /// With one name more for whom tokens call orders.
    fn alias(&self) -> [CallerName; 2] {
        let of_domain = CallerName::of_issuer(DOMAIN, format!("{DOMAIN}/orders")).expect("a name");
        ["orders".try_into().expect("a name"), of_domain]
    }

    async fn serve(&self, layer: AuthLayer) -> Served {
        let whoami = async |Extension(inbound): Extension<Inbound>| {
            let principal = inbound.caller().expect("nobody is anonymous here").principal();
            format!("{} for {}", principal.workload().id, principal.user().map_or("nobody", |user| user.id.as_str()))
        };
        let app = Router::new().route("/", get(whoami)).layer(layer);
        self.house.serve_app(self.house.asking(ClientCertificate::Optional), app).await
    }

    fn orders(&self) -> TestCertificate {
        self.house.clients.certificate().uri(&format!("{DOMAIN}/orders")).build()
    }

    /// Alice's, issued to this client.
    fn alice_at(&self, client: &str) -> TokenBuilder {
        self.login.token().subject("alice").client(client).audience("payments")
    }

    fn bound(&self, to: &TestCertificate) -> SecretToken {
        let digest = CertificateThumbprint::of(&to.chain()[0]);
        let cnf = json!({"x5t#S256": URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes())});
        self.alice_at("orders").claim("cnf", cnf).build()
    }
}

/// The status, and who was seen.
async fn ask(served: &Served, own: Option<&TestCertificate>, token: Option<&SecretToken>) -> (u16, String) {
    let mut stream = served.connect(served.config(own)).await.expect("a connection");
    let token = token.map(|token| format!("authorization: Bearer {}\r\n", token.expose()));
    let (status, body) = answer_over(&mut stream, &token.unwrap_or_default()).await.expect("an answer");
    (status, if status == 200 { body } else { String::new() })
}

fn ok(told: &str) -> (u16, String) {
    (200, told.to_owned())
}

fn refused(status: u16) -> (u16, String) {
    (status, String::new())
}

/// An X.509-SVID, and beside it the token of a user that its workload calls for.
#[tokio::test]
async fn two_p1_an_svid_and_a_users_token_are_related_by_the_configured_names_alone() {
    let shop = Shop::new();
    let (orders, other) = (shop.orders(), shop.house.client());
    let (of_orders, stolen) = (shop.alice_at("orders").build(), shop.alice_at("storefront").build());
    let layer = |verifier: VerifierBuilder| {
        let layer = AuthLayer::new(verifier.build().expect("valid"));
        layer.client_certificate(ClientCertificate::Required).expect("valid")
    };
    let with = shop.serve(layer(shop.verifier().workload(shop.alias()))).await;
    assert_eq!(ask(&with, Some(&orders), Some(&of_orders)).await, ok("orders for alice"));
    assert_eq!(ask(&with, Some(&orders), None).await, ok("orders for nobody"));
    assert_eq!(ask(&with, Some(&orders), Some(&stolen)).await, refused(403));
    assert_eq!(ask(&with, Some(&other), Some(&of_orders)).await, refused(403));
    assert_eq!(ask(&with, None, Some(&of_orders)).await, refused(401));
    let without = shop.serve(layer(shop.verifier())).await;
    assert_eq!(ask(&without, Some(&orders), Some(&of_orders)).await, refused(403));
    // What the issuer bound to the certificate needs no names.
    let bound = shop.bound(&orders);
    assert_eq!(ask(&without, Some(&orders), Some(&bound)).await, ok("spiffe://example.org/orders for alice"));
    assert_eq!(ask(&without, Some(&other), Some(&bound)).await, refused(401));
}

/// Where certificates are nobody's credential, too.
#[tokio::test]
async fn rfc8705_a1_a_bound_token_is_good_over_connections_of_its_certificate_alone() {
    let shop = Shop::new();
    let (own, other) = (shop.orders(), shop.orders());
    let (bound, free) = (shop.bound(&own), shop.alice_at("orders").build());
    let served = shop.serve(AuthLayer::new(shop.verifier().build().expect("valid"))).await;
    for _ in 0..2 {
        assert_eq!(ask(&served, Some(&own), Some(&bound)).await, ok("orders for alice"));
        assert_eq!(ask(&served, Some(&other), Some(&bound)).await, refused(401));
        assert_eq!(ask(&served, None, Some(&bound)).await, refused(401));
        assert_eq!(ask(&served, Some(&other), Some(&free)).await, ok("orders for alice"), "the control");
    }
}
