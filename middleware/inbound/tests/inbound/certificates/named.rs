//! A caller that is known by its certificate and says who its user is: in plain text, or by a transaction token.

use tower_identity_inbound::{CertificateForm, ForwardedCertificate, ProxyPeer};
use tower_identity_testkit::Endpoint;
use tower_identity_verify::{TransactionTokens, VerifierBuilder, danger::plain_users};

use super::*;

const FIELD: &str = "x-user-id";
const SHOP: &str = "shop.internal";
const FOR_ALICE: &str = "proven storefront for alice: ";

/// A door at which storefront is heard of the issuer's users, and this besides.
fn hearing(more: impl FnOnce(&Door, VerifierBuilder) -> VerifierBuilder) -> Door {
    let door = Door::new();
    let login = door.issuer.issuer().as_str();
    let home = TrustedIssuer::discover(login).audience("orders");
    let in_domain = CallerName::of_issuer(DOMAIN, format!("{DOMAIN}/storefront")).expect("a name");
    let builder = Verifier::builder(home)
        .certificates(CertificateAnchor::trust_domain("example.org", door.authority.pem()))
        .workload([CallerName::try_from("storefront").expect("a name"), in_domain]);
    let builder = plain_users(builder, ["storefront"], login);
    let verifier = more(&door, builder).build().expect("valid");
    Door { verifier, ..door }
}

fn listening(door: &Door, wanted: ClientCertificate) -> AuthLayer {
    danger::plain_user(door.layer(wanted), FIELD).expect("valid")
}

/// And whose transaction tokens storefront may carry.
fn trusting_shop(door: &Door, builder: VerifierBuilder) -> VerifierBuilder {
    let login = door.issuer.issuer().as_str();
    let shop = TransactionTokens::of(SHOP, door.issuer.url(Endpoint::Keys)).workloads_of(login);
    builder.transaction_tokens(shop.carriers(["storefront"]))
}

fn carrying(door: &Door, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let alice = door.issuer.transaction_token(SHOP, "storefront").subject("alice").scope("charge").build();
    request.headers_mut().insert("txn-token", alice.expose().parse().expect("a value"));
    request
}

fn naming(mut request: Request<Full<Bytes>>, user: &str) -> Request<Full<Bytes>> {
    request.headers_mut().append(FIELD, user.parse().expect("a value"));
    request
}

#[tokio::test]
async fn named_a1_the_word_of_a_certificate_that_is_listed_and_holds_is_taken() {
    let door = hearing(|_, builder| builder);
    let stock = door.authority.certificate().uri(&format!("{DOMAIN}/stock")).build();
    let forged = door.forged();
    for wanted in [ClientCertificate::Required, ClientCertificate::Optional] {
        let layer = listening(&door, wanted);
        let over = |own| over(own, None);
        for layer in [&layer, &layer.clone().optional()] {
            assert_eq!(send(layer, naming(over(Some(&door.storefront)), "alice")).await, ok(FOR_ALICE));
            assert_eq!(send(layer, naming(over(Some(&stock)), "alice")).await, Err((403, "binding")));
            assert_eq!(send(layer, naming(over(Some(&forged)), "alice")).await, Err((401, "certificate")));
            // A name alone is nobody, and not anonymous.
            assert_eq!(send(layer, naming(over(None), "alice")).await, Err((401, "caller")));
            assert_eq!(send(layer, naming(request([]), "alice")).await, Err((500, "wiring")));
        }
        let alone = ok("proven storefront for nobody: ");
        assert_eq!(send(&layer, over(Some(&door.storefront))).await, alone, "the control");
        // Nor is anybody heard where nobody is listed.
        let deaf = Door::new();
        let asked = naming(over(Some(&deaf.storefront)), "alice");
        assert_eq!(send(&listening(&deaf, wanted), asked).await, Err((403, "binding")));
    }
}

/// Whoever stole a workload's token leaves the certificate out.
#[tokio::test]
async fn cert_a10_a_name_beside_a_token_alone_does_where_no_certificate_is_required() {
    let door = hearing(|_, builder| builder);
    let own = || Some(door.own("storefront").bearer());
    let asked = || naming(over(None, own()), "alice");
    let optional = listening(&door, ClientCertificate::Optional);
    assert_eq!(send(&optional, asked()).await, ok("unproven storefront for alice: orders:write"));
    for layer in
        [listening(&door, ClientCertificate::Required), listening(&door, ClientCertificate::Required).optional()]
    {
        assert_eq!(send(&layer, asked()).await, Err((401, "certificate")));
    }
}

#[tokio::test]
async fn named_a5_a_name_stands_beside_one_credential_and_no_transaction_token() {
    let door = hearing(trusting_shop);
    let carrying = |request| carrying(&door, request);
    let own = || Some(door.own("storefront").bearer());
    let by_certificate = || over(Some(&door.storefront), None);
    let by_token = || over(None, own());
    let by_both = || over(Some(&door.storefront), own());
    let layer = listening(&door, ClientCertificate::Optional).transaction_tokens().expect("valid");

    for asked in [carrying(by_certificate()), carrying(by_token()), carrying(by_both()), by_both()] {
        assert_eq!(send(&layer, naming(asked, "bob")).await, Err((400, "plain_user")));
    }
    // The controls: either of them beside one credential.
    let told = async |request| send(&layer, request).await.map(|told| told.replace("unproven", "proven"));
    assert_eq!(told(carrying(by_certificate())).await, ok("proven storefront for alice: charge"));
    assert_eq!(told(carrying(by_token())).await, ok("proven storefront for alice: charge"));
    assert_eq!(told(carrying(by_both())).await, ok("proven storefront for alice: charge"));
    assert_eq!(told(naming(by_certificate(), "bob")).await, ok("proven storefront for bob: "));
    assert_eq!(told(naming(by_token(), "bob")).await, ok("proven storefront for bob: orders:write"));
    // A name beside a transaction token alone is nobody's.
    let alone = send(&layer, naming(carrying(over(None, None)), "bob")).await;
    assert_eq!(alone, Err((400, "plain_user")));
}

#[tokio::test]
async fn csrf_a4_a_certificate_is_guarded_whoever_its_user_is() {
    let door = hearing(trusting_shop);
    let layer = listening(&door, ClientCertificate::Required).transaction_tokens().expect("valid");
    let from = |site: &'static str| {
        let mut request = over(Some(&door.storefront), None);
        *request.method_mut() = Method::POST;
        request.headers_mut().insert("sec-fetch-site", HeaderValue::from_static(site));
        request
    };
    let crossing = Err((403, "cross_site"));
    assert_eq!(send(&layer, naming(from("cross-site"), "alice")).await, crossing);
    assert_eq!(send(&layer, naming(from("same-origin"), "alice")).await, ok(FOR_ALICE));
    assert_eq!(send(&layer, carrying(&door, from("cross-site"))).await, crossing);
    let carried = ok("proven storefront for alice: charge");
    assert_eq!(send(&layer, carrying(&door, from("same-origin"))).await, carried);
}

/// The proxy's own certificate names nobody, and the client's does, though the proxy is listed.
#[tokio::test]
async fn named_a1_by_way_of_a_proxy_it_is_the_clients_word() {
    let door = hearing(|_, builder| builder);
    let proxy = door.storefront.chain();
    let name = CallerName::of_issuer(DOMAIN, format!("{DOMAIN}/storefront")).expect("a name");
    let forwarded = |peers: [ProxyPeer; 1]| {
        ForwardedCertificate::by_header("client-cert", CertificateForm::Rfc9440, peers).expect("valid")
    };
    let layer = listening(&door, ClientCertificate::Required);
    let layer = layer.forwarded_certificate(forwarded([ProxyPeer::Caller(name)])).expect("valid");
    let by_way = |client: Option<&TestCertificate>| {
        let mut request = naming(request([]), "alice");
        let peer = Connection::new(SocketAddr::from(([192, 0, 2, 7], 40_000)), Some(proxy));
        request.extensions_mut().insert(peer);
        if let Some(client) = client {
            let field = format!(":{}:", STANDARD.encode_to_string(&client.chain()[0]));
            request.headers_mut().insert("client-cert", field.parse().expect("a value"));
        }
        request
    };
    let stock = door.authority.certificate().uri(&format!("{DOMAIN}/stock")).build();
    assert_eq!(send(&layer, by_way(None)).await, Err((401, "caller")));
    assert_eq!(send(&layer, by_way(Some(&stock))).await, Err((403, "binding")));
    assert_eq!(send(&layer, by_way(Some(&door.storefront))).await, ok(FOR_ALICE));
}
