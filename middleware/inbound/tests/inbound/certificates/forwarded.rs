//! The certificate of a caller whose TLS ends at a proxy: whose word is taken, and what it may say.

use std::net::IpAddr;

use base64_simd::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tower_identity_core::{CertificateThumbprint, SecretToken};
use tower_identity_inbound::{CertificateForm, ForwardedCertificate, ProxyPeer};

use super::*;
use crate::support::{found, through, value};

/// A field for each form, and who writes it so.
const FIELDS: [(&str, CertificateForm); 4] = [
    ("client-cert", CertificateForm::Rfc9440),
    ("x-ssl-client-cert", CertificateForm::EscapedPem),
    ("x-client-cert", CertificateForm::Base64Der),
    ("x-forwarded-client-cert", CertificateForm::Xfcc),
];

const CHECK: &str = "forwarded_certificate";

fn in_domain(name: &str) -> CallerName {
    CallerName::of_issuer(DOMAIN, format!("{DOMAIN}/{name}")).expect("a name")
}

fn gateway() -> [ProxyPeer; 1] {
    [ProxyPeer::Caller(in_domain("gateway"))]
}

fn forwarded(at: usize, peers: impl IntoIterator<Item = ProxyPeer>) -> ForwardedCertificate {
    let (header, form) = FIELDS[at];
    ForwardedCertificate::by_header(header, form, peers).expect("valid")
}

/// What a proxy writes into a field of this form.
fn written(form: CertificateForm, certificate: &TestCertificate) -> String {
    let base64 = STANDARD.encode_to_string(&certificate.chain()[0]);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    let escaped = utf8_percent_encode(&pem, NON_ALPHANUMERIC);
    match form {
        CertificateForm::Rfc9440 => format!(":{base64}:"),
        CertificateForm::EscapedPem => escaped.to_string(),
        CertificateForm::Base64Der => base64,
        _ => {
            format!("By={DOMAIN}/gateway;Hash=00;Cert=\"{escaped}\";Subject=\"CN=a,O=\\\"b;c\\\"\";URI={DOMAIN}/nobody")
        }
    }
}

impl Door {
    fn of(&self, name: &str) -> TestCertificate {
        self.authority.certificate().uri(&format!("{DOMAIN}/{name}")).build()
    }
}

fn from(address: &str, certificate: Option<&TestCertificate>) -> Connection {
    let address: IpAddr = address.parse().expect("an address");
    Connection::new(SocketAddr::from((address, 40_000)), certificate.map(TestCertificate::chain))
}

fn with(connection: &Connection, fields: &[(&str, &str)], token: Option<HeaderValue>) -> Request<Full<Bytes>> {
    let mut request = request(token);
    request.extensions_mut().insert(connection.clone());
    for (name, text) in fields {
        request.headers_mut().append(HeaderName::from_bytes(name.as_bytes()).expect("a name"), value(text));
    }
    request
}

const STOREFRONT: &str = "proven storefront for nobody: ";

#[tokio::test]
async fn fwd_a1_what_a_proxy_of_ours_says_is_judged_as_the_certificate_of_the_connection() {
    let door = Door::new();
    let (proxy, forged) = (door.of("gateway"), door.forged());
    let proxy = from("192.0.2.7", Some(&proxy));
    for (at, (header, form)) in FIELDS.into_iter().enumerate() {
        let layer = door.required().forwarded_certificate(forwarded(at, gateway())).expect("valid");
        let [good, bad] = [&door.storefront, &forged].map(|certificate| written(form, certificate));
        let (good, bad) = ([(header, &*good)], [(header, &*bad)]);
        let alice = |client| Some(door.alice_at(client));
        assert_eq!(send(&layer, with(&proxy, &good, None)).await, ok(STOREFRONT), "{form:?}");
        let for_alice = ok("proven storefront for alice: orders:write");
        assert_eq!(send(&layer, with(&proxy, &good, alice("storefront"))).await, for_alice);
        assert_eq!(send(&layer, with(&proxy, &good, alice("payments"))).await, Err((403, "binding")));
        // That the proxy let it in is not asked.
        for token in [None, alice("storefront")] {
            assert_eq!(send(&layer, with(&proxy, &bad, token)).await, Err((401, "certificate")));
        }
    }
}

/// 8705-a2: whoever else writes the field, writes it for nobody.
#[tokio::test]
async fn fwd_a2_from_anybody_else_the_field_is_not_read() {
    let door = Door::new();
    let [proxy, stock] = ["gateway", "stock"].map(|name| door.of(name));
    let stranger = TestAuthority::new(&system_clock());
    let false_proxy = stranger.certificate().uri(&format!("{DOMAIN}/gateway")).build();
    let in_header = |form| written(form, &door.storefront);
    for (at, (header, form)) in FIELDS.into_iter().enumerate() {
        let layer = door.required().forwarded_certificate(forwarded(at, gateway())).expect("valid");
        let text = in_header(form);
        let field = [(header, &*text)];
        for address in ["192.0.2.7", "127.0.0.1", "::1"] {
            let bare = from(address, None);
            assert_eq!(send(&layer, with(&bare, &field, None)).await, Err((401, "credential")), "{form:?} {address}");
            let alice = Some(door.alice_at("storefront"));
            assert_eq!(send(&layer, with(&bare, &field, alice)).await, Err((401, "certificate")));
        }
        let alone = format!("proven {DOMAIN}/stock for nobody: ");
        assert_eq!(send(&layer, with(&from("127.0.0.1", Some(&stock)), &field, None)).await, Ok(alone));
        assert_eq!(send(&layer, with(&from("::1", Some(&false_proxy)), &field, None)).await, Err((401, "certificate")));
        assert_eq!(send(&layer, with(&Connection::by_unix_socket(), &field, None)).await, Err((401, "credential")));
        // Nor is what is wrong in it.
        let wrong = [(header, "nonsense"), (header, "twice")];
        let alone = format!("proven {DOMAIN}/stock for nobody: ");
        assert_eq!(send(&layer, with(&from("192.0.2.7", Some(&stock)), &wrong, None)).await, Ok(alone));
        assert_eq!(
            send(&layer, with(&from("192.0.2.7", Some(&proxy)), &field, None)).await,
            ok(STOREFRONT),
            "the control"
        );
    }
}

/// The proxy serves others: what it proves of itself is nobody else's, and not its own as a caller.
#[tokio::test]
async fn fwd_a2_the_certificate_of_the_proxy_is_never_the_callers() {
    let door = Door::new();
    let proxy = from("192.0.2.7", Some(&door.of("gateway")));
    for (at, (header, form)) in FIELDS.into_iter().enumerate() {
        let with_proxy = |layer: AuthLayer| layer.forwarded_certificate(forwarded(at, gateway())).expect("valid");
        let required = with_proxy(door.required());
        let optional = with_proxy(door.layer(ClientCertificate::Optional));
        let alice = || Some(door.alice_at("storefront"));
        let empty: [&[(&str, &str)]; 2] = [&[], &[(header, "")]];
        for none in empty {
            assert_eq!(send(&required, with(&proxy, none, None)).await, Err((401, "credential")), "{form:?}");
            assert_eq!(send(&required, with(&proxy, none, alice())).await, Err((401, "certificate")));
            assert_eq!(send(&required.clone().optional(), with(&proxy, none, None)).await, ok("anonymous"));
            let by_token = ok("unproven storefront for alice: orders:write");
            assert_eq!(send(&optional, with(&proxy, none, alice())).await, by_token);
        }
        // Where nobody is a proxy, it is the caller.
        let own = format!("proven {DOMAIN}/gateway for nobody: ");
        assert_eq!(send(&door.required(), with(&proxy, &[], None)).await, Ok(own));
    }
    let rfc9440 = door.required().forwarded_certificate(forwarded(0, gateway())).expect("valid");
    assert_eq!(send(&rfc9440, with(&proxy, &[("client-cert", "::")], None)).await, Err((401, "credential")));
}

#[tokio::test]
async fn fwd_a3_what_is_not_one_certificate_in_its_form_is_malformed() {
    let door = Door::new();
    let proxy = from("192.0.2.7", Some(&door.of("gateway")));
    let payments = door.of("payments");
    let own = FIELDS.map(|(_, form)| written(form, &door.storefront));
    let [rfc9440, escaped, base64, xfcc] = own.each_ref().map(String::as_str);
    let [other_escaped, other_base64] = [1, 2].map(|at| written(FIELDS[at].1, &payments));
    // Good, but for their length.
    let (padded, many) = (format!("{escaped}{}", "%0A".repeat(6_000)), vec![rfc9440; 60].join(", "));
    let long = "A".repeat(16 * 1024 + 1);
    let two = format!("{escaped}{other_escaped}");
    let (cert, chain) = (format!("Cert={escaped}"), format!("Chain={other_escaped}"));
    let cases: [&[&[(&str, &str)]]; 4] = [
        &[
            &[("client-cert", rfc9440), ("client-cert", rfc9440)],
            &[("client-cert", base64)],
            &[("client-cert", "::::")],
            &[("client-cert", ":AA==:;a=1")],
            &[("client-cert", ":A:")],
            &[("client-cert", &format!("{rfc9440}, {rfc9440}"))],
            &[("client-cert", &long)],
            &[("client_cert", rfc9440)],
            &[("client-cert", rfc9440), ("client_cert", rfc9440)],
            &[("client-cert", rfc9440), ("x-forwarded-client-cert", xfcc)],
            &[("x-ssl-client-cert", escaped)],
            &[("client-cert-chain", rfc9440)],
            &[("client-cert", "::"), ("client-cert-chain", rfc9440)],
            &[("client-cert", rfc9440), ("client-cert-chain", base64)],
            &[("client-cert", rfc9440), ("client-cert-chain", "::")],
            &[("client-cert", rfc9440), ("client-cert-chain", "")],
            &[("client-cert", rfc9440), ("client-cert-chain", &many)],
            &[("client-cert", rfc9440), ("client_cert_chain", rfc9440)],
        ],
        &[
            &[("x-ssl-client-cert", escaped), ("x-ssl-client-cert", escaped)],
            &[("x-ssl-client-cert", &two)],
            &[("x-ssl-client-cert", base64)],
            &[("x-ssl-client-cert", &format!("a{escaped}"))],
            &[("x-ssl-client-cert", &format!("{escaped}a"))],
            &[("x-ssl-client-cert", &escaped.replace("%0A", ""))],
            &[("x-ssl-client-cert", &padded)],
            &[("x-ssl-client-cert", escaped), ("client-cert", rfc9440)],
        ],
        &[
            &[("x-client-cert", base64), ("x-client-cert", base64)],
            &[("x-client-cert", &format!("{base64},{other_base64}"))],
            &[("x-client-cert", rfc9440)],
            &[("x-client-cert", "::")],
            &[("x-client-cert", &long)],
            &[("x_client_cert", base64)],
        ],
        &[
            &[("x-forwarded-client-cert", xfcc), ("x-forwarded-client-cert", xfcc)],
            &[("x-forwarded-client-cert", &format!("{xfcc},{xfcc}"))],
            &[("x-forwarded-client-cert", &format!("Hash=00;URI={DOMAIN}/storefront"))],
            &[("x-forwarded-client-cert", &format!("{cert};cert={escaped}"))],
            &[("x-forwarded-client-cert", &format!("{cert};{chain}"))],
            &[("x-forwarded-client-cert", &format!("Cert={two}"))],
            &[("x-forwarded-client-cert", &format!("{cert};"))],
            &[("x-forwarded-client-cert", escaped)],
            &[("x-forwarded-client-cert", &long)],
        ],
    ];
    for (at, cases) in cases.into_iter().enumerate() {
        let layers = [ClientCertificate::Required, ClientCertificate::Optional].map(|wanted| door.layer(wanted));
        for layer in layers {
            let layer = layer.forwarded_certificate(forwarded(at, gateway())).expect("valid");
            for fields in cases {
                let alice = Some(door.alice_at("storefront"));
                for token in [None, alice] {
                    assert_eq!(send(&layer, with(&proxy, fields, token)).await, Err((400, CHECK)), "{fields:?}");
                }
            }
            assert_eq!(
                send(&layer, with(&proxy, &[(FIELDS[at].0, &own[at])], None)).await,
                ok(STOREFRONT),
                "the control"
            );
        }
    }
    let answer = {
        let layer = door.required().forwarded_certificate(forwarded(0, gateway())).expect("valid");
        let Ok(response) = layer.layer(service_fn(handler)).oneshot(with(&proxy, cases[0][0], None)).await;
        refused(response).await
    };
    let challenge = r#"Bearer error="invalid_request""#.to_owned();
    assert_eq!(answer, (400, Some(challenge), "malformed_request".to_owned()));
}

/// RFC 9440 §2.3, and Envoy's `Chain`: what lies between the leaf and the root.
#[tokio::test]
async fn fwd_a1_the_rest_of_the_chain_comes_along() {
    let door = Door::new();
    let now = system_clock().wall();
    let day = std::time::Duration::from_secs(86_400);
    let between = door.authority.under(now, now.saturating_add(day));
    let leaf = between.certificate().uri(&format!("{DOMAIN}/storefront")).build();
    let proxy = from("192.0.2.7", Some(&door.of("gateway")));
    let [first, second] = [0, 1].map(|at| format!(":{}:", STANDARD.encode_to_string(&leaf.chain()[at])));
    let layer = door.required().forwarded_certificate(forwarded(0, gateway())).expect("valid");
    let alone = [("client-cert", &*first)];
    assert_eq!(send(&layer, with(&proxy, &alone, None)).await, Err((401, "certificate")));
    let padding = format!(":{}:", STANDARD.encode_to_string(&door.of("other").chain()[0]));
    for rest in [vec![second.clone()], vec![format!("{padding}, {second}")], vec![padding, second]] {
        let fields: Vec<_> = alone.into_iter().chain(rest.iter().map(|text| ("client-cert-chain", &**text))).collect();
        assert_eq!(send(&layer, with(&proxy, &fields, None)).await, ok(STOREFRONT), "{}", fields.len());
    }

    let layer = door.required().forwarded_certificate(forwarded(3, gateway())).expect("valid");
    let escape = |pem: &str| utf8_percent_encode(pem, NON_ALPHANUMERIC).to_string();
    let whole = format!("Chain=\"{}\"", escape(&leaf.pem()));
    let one = written(CertificateForm::EscapedPem, &leaf);
    for (text, expected) in [
        (whole.clone(), ok(STOREFRONT)),
        (format!("Cert={one};{whole}"), ok(STOREFRONT)),
        (format!("Cert={one}"), Err((401, "certificate"))),
    ] {
        assert_eq!(send(&layer, with(&proxy, &[("x-forwarded-client-cert", &text)], None)).await, expected);
    }
}

#[tokio::test]
async fn fwd_a4_on_this_host_a_proxy_is_known_by_where_it_is() {
    let door = Door::new();
    let field = written(CertificateForm::Rfc9440, &door.storefront);
    let field = [("client-cert", &*field)];
    let layer = |peer| door.required().forwarded_certificate(forwarded(0, [peer])).expect("valid");
    let [loopback, socket] = [ProxyPeer::Loopback, ProxyPeer::UnixSocket].map(layer);
    let not_read = || Err((401, "credential"));
    for address in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(send(&loopback, with(&from(address, None), &field, None)).await, ok(STOREFRONT), "{address}");
        assert_eq!(send(&socket, with(&from(address, None), &field, None)).await, not_read(), "{address}");
    }
    for address in ["192.0.2.7", "10.0.0.1", "0.0.0.0", "::", "fe80::1", "::ffff:192.0.2.7"] {
        assert_eq!(send(&loopback, with(&from(address, None), &field, None)).await, not_read(), "{address}");
    }
    // An acceptor that knows no address has not said that there is a socket.
    let unsaid = Connection::new(None, None);
    for layer in [&loopback, &socket] {
        assert_eq!(send(layer, with(&unsaid, &field, None)).await, not_read());
        assert_eq!(send(layer, request([])).await, Err((500, "wiring")));
    }
    assert_eq!(send(&socket, with(&Connection::by_unix_socket(), &field, None)).await, ok(STOREFRONT));
    assert_eq!(send(&loopback, with(&Connection::by_unix_socket(), &field, None)).await, not_read());
    // Whoever has a certificate is whom it names, on this host too.
    let stock = door.of("stock");
    let alone = format!("proven {DOMAIN}/stock for nobody: ");
    assert_eq!(send(&loopback, with(&from("127.0.0.1", Some(&stock)), &field, None)).await, Ok(alone));
}

/// RFC 8705 §3, where nobody asked for certificates otherwise.
#[tokio::test]
async fn rfc8705_a2_a_token_is_bound_to_the_certificate_that_the_proxy_saw() {
    let door = Door::new();
    let [own, other, gateway] = ["storefront", "payments", "gateway"].map(|name| door.of(name));
    let bound_to = |certificate: &TestCertificate| {
        let digest = CertificateThumbprint::of(&certificate.chain()[0]);
        let cnf = json!({"x5t#S256": URL_SAFE_NO_PAD.encode_to_string(digest.as_bytes())});
        let token: SecretToken = issuer_token(&door.issuer).claim("cnf", cnf).build();
        Some(value(&format!("Bearer {}", token.expose())))
    };
    let layer =
        AuthLayer::new(door.verifier.clone()).forwarded_certificate(forwarded(0, self::gateway())).expect("valid");
    let [of_own, of_other] = [&own, &other].map(|certificate| written(CertificateForm::Rfc9440, certificate));
    let (of_own, of_other) = ([("client-cert", &*of_own)], [("client-cert", &*of_other)]);
    let (proxy, good) = (from("192.0.2.7", Some(&gateway)), ok("proven storefront for alice: orders:write"));
    let refused = || Err((401, "cnf"));
    for _ in 0..2 {
        assert_eq!(send(&layer, with(&proxy, &of_own, bound_to(&own))).await, good);
        assert_eq!(send(&layer, with(&proxy, &of_other, bound_to(&own))).await, refused());
        assert_eq!(send(&layer, with(&proxy, &[], bound_to(&own))).await, refused());
        assert_eq!(send(&layer, with(&proxy, &[], bound_to(&gateway))).await, refused(), "the proxy's is nobody's");
        assert_eq!(send(&layer, with(&from("192.0.2.7", None), &of_own, bound_to(&own))).await, refused());
        assert_eq!(send(&layer, with(&from("192.0.2.7", Some(&own)), &[], bound_to(&own))).await, good);
        assert_eq!(send(&layer, with(&from("192.0.2.7", Some(&own)), &of_other, bound_to(&own))).await, good);
    }
}

#[tokio::test]
async fn fwd_a2_no_handler_sees_the_field_whoever_wrote_it() {
    let door = Door::new();
    let field = written(CertificateForm::Rfc9440, &door.storefront);
    let fields = [("client-cert", &*field), ("client-cert-chain", &*field), ("x-request-id", "7")];
    let layer = AuthLayer::new(door.verifier.clone()).forwarded_certificate(forwarded(0, gateway())).expect("valid");
    for certificate in [Some(door.of("gateway")), None] {
        let connection = from("192.0.2.7", certificate.as_ref());
        let mut also = fields.to_vec();
        if certificate.is_none() {
            also.extend([("client_cert", &*field), ("Client_Cert_Chain", &*field)]);
        }
        let alice = Some(door.alice_at("storefront"));
        let seen = found(&through(&layer, with(&connection, &also, alice)).await).expect("let in").headers;
        let left = HeaderMap::from_iter([(HeaderName::from_static("x-request-id"), value("7"))]);
        assert_eq!(seen, left);
    }
}

#[tokio::test]
async fn fwd_a5_settings_that_name_nobody_or_no_field_are_refused() {
    let door = Door::new();
    let refused = |header: &str, peers: &[ProxyPeer]| {
        let read = ForwardedCertificate::by_header(header, CertificateForm::Rfc9440, peers.iter().cloned());
        read.map(drop).map_err(|wrong| wrong.to_string())
    };
    let is = |text: &str| Err(text.to_owned());
    let loopback = [ProxyPeer::Loopback];
    assert_eq!(refused("client-cert", &[]), is("peers: names no proxy: whose word is taken"));
    assert_eq!(refused("client-cert", &[ProxyPeer::Loopback, ProxyPeer::Loopback]), is("peers[1]: is named twice"));
    assert_eq!(refused("client cert", &loopback), is("header: is no name of a header field"));
    assert_eq!(refused("client_cert", &loopback), is("header: is written with _, which proxies take for - or drop"));
    let meant = "header: has another meaning, and is no place for a certificate";
    for name in crate::support::OF_THE_MESSAGE.split_whitespace() {
        assert_eq!(refused(name, &loopback), is(meant), "{name}");
    }
    assert_eq!(refused("client-cert", &loopback), Ok(()), "the control");

    let home = TrustedIssuer::discover(door.issuer.issuer().as_str()).audience("orders");
    let plain = || AuthLayer::new(Verifier::builder(home.clone()).build().expect("valid"));
    let rule = "has a proxy that is known by its certificate, and needs certificates: whose are trusted";
    let nobody = InvalidSetting::new("peers", rule).within("forwarded_certificate");
    assert_eq!(plain().forwarded_certificate(forwarded(0, gateway())).map(drop), Err(nobody));
    plain().forwarded_certificate(forwarded(0, loopback.clone())).expect("the control");

    let both = || InvalidSetting::new("header", "is a source of tokens too").within("forwarded_certificate");
    let source = |name| Source::header(name).expect("valid");
    let sourced = plain().sources([source("client-cert")]).expect("valid");
    assert_eq!(sourced.forwarded_certificate(forwarded(0, loopback.clone())).map(drop), Err(both()));
    let layer = || plain().forwarded_certificate(forwarded(0, loopback.clone())).expect("valid");
    assert_eq!(layer().sources([source("client-cert")]).map(drop), Err(both()));
    assert_eq!(layer().user_source(source("client-cert")).map(drop), Err(both()));
    layer().sources([source("x-token")]).expect("the control");
}
