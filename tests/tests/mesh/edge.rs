//! Requests from outside, over real HTTP, with the word of others for who is calling.

use axum::{Router, body::Body, extract::Request, routing::post};
use http_body_util::BodyExt;
use tower_identity::{AuthLayer, Settings};
use tower_identity_testkit::TestIssuer;

use crate::{
    servers::{Server, verifier},
    wire::exchange,
};

/// Answers the names of the header fields and of the trailers that it finds.
async fn names(request: Request<Body>) -> String {
    let mut names: Vec<_> = request.headers().keys().map(|name| format!("head {name}")).collect();
    let body = request.into_body().collect().await.expect("a body");
    names.extend(body.trailers().into_iter().flat_map(|it| it.keys()).map(|name| format!("trailer {name}")));
    names.sort();
    format!("{};{}", names.join(" "), String::from_utf8_lossy(&body.to_bytes()))
}

async fn found(server: &Server, token: &str, fields: &str) -> String {
    let request = format!(
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {token}\r\n{fields}\
         transfer-encoding: chunked\r\n\r\n5\r\norder\r\n0\r\n{fields}x-checksum: 1\r\n\r\n",
    );
    let answer = exchange(server, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.rsplit_once("\r\n\r\n").expect("a head").1.to_owned()
}

const IDENTITY: &str = "X-Forwarded-User: admin\r\nx_user_id: admin\r\nX-Auth-Request-Email: a@b\r\n\
                        X-Forwarded-Client-Cert: By=x\r\ntxn-token: x\r\nWorkload_Identity.Token: x\r\n";

const STRIPPED: &str = "head connection head host head transfer-encoding trailer x-checksum;order";

#[tokio::test]
async fn rfc6750_a9_at_the_edge_headers_and_trailers_say_nothing_of_an_identity_in_no_spelling() {
    let issuer = TestIssuer::start();
    let token = issuer.token().subject("alice").client("shop").audience("orders").build();
    let auth = || AuthLayer::new(verifier(&issuer, "orders"));
    let edge = Server::start(Router::new().route("/", post(names)).layer(auth().edge())).await;
    let inside = Server::start(Router::new().route("/", post(names)).layer(auth())).await;

    assert_eq!(found(&edge, token.expose(), IDENTITY).await, STRIPPED);
    assert_eq!(found(&edge, token.expose(), "").await, STRIPPED);
    let all = found(&inside, token.expose(), IDENTITY).await;
    for name in ["x-forwarded-user", "x_user_id", "x-auth-request-email", "x-forwarded-client-cert", "txn-token"] {
        assert!(all.contains(&format!("head {name} ")) && all.contains(&format!("trailer {name}")), "{name}: {all}");
    }
}

#[tokio::test]
async fn rfc6750_a9_the_edge_is_a_setting_of_the_file() {
    let issuer = TestIssuer::start();
    let token = issuer.token().subject("alice").client("shop").audience("orders").build();
    let serve = async |fields: &str| {
        let text =
            format!("[inbound]\n{fields}\n[[inbound.issuer]]\nissuer = \"{}\"\naudience = \"orders\"", issuer.issuer());
        let layer = Settings::parse(&text, "orders.toml").expect("a good file").edge_layer().expect("there");
        Server::start(Router::new().route("/", post(names)).layer(layer)).await
    };
    let more = format!("{IDENTITY}x-acme_role: admin\r\n");
    let edge = serve("edge = true\nedge_also = ['x-acme-*']").await;
    assert_eq!(found(&edge, token.expose(), &more).await, STRIPPED);
    let edge = serve("edge = true").await;
    let expected = "head connection head host head transfer-encoding head x-acme_role trailer x-acme_role \
                    trailer x-checksum;order";
    assert_eq!(found(&edge, token.expose(), &more).await, expected);
    let all = found(&serve("edge = false").await, token.expose(), IDENTITY).await;
    assert!(all.contains("head x-forwarded-user ") && all.contains("trailer x-forwarded-user "), "{all}");
}

/// The storefront's file, of which the tokens are JWTs of this issuer.
fn storefront(issuer: &TestIssuer) -> String {
    let text = include_str!("../../../demo-services/settings/storefront.toml");
    let (inbound, rest) = text.split_once("[inbound.issuer.introspection]").expect("its tokens are opaque");
    let (_, outbound) = rest.split_once("[outbound]").expect("it calls on");
    format!("{inbound}[outbound]{outbound}").replace("http://127.0.0.1:7000", issuer.issuer().as_str())
}

#[tokio::test]
async fn rfc6750_a9_the_demos_edge_hands_no_word_of_an_identity_to_a_handler() {
    let issuer = TestIssuer::start();
    let token = issuer.token().subject("alice").client("shop-web").audience("storefront").build();
    let handed_on = async |text: &str| {
        let settings = Settings::parse(text, "storefront.toml").expect("a good file");
        let layer = settings.edge_layer().expect("it may stand at the edge");
        let server = Server::start(Router::new().route("/", post(names)).layer(layer)).await;
        let (plain, said) = (found(&server, token.expose(), "").await, found(&server, token.expose(), IDENTITY).await);
        // Each is two words: where it was found, and its name.
        (said.split(' ').count() - plain.split(' ').count()) / 2
    };
    let (shipped, fields) = (storefront(&issuer), IDENTITY.lines().count());
    assert_eq!(handed_on(&shipped).await, 0);
    // The control: further in, all of them are, as headers and as trailers.
    let inside = shipped.replace("edge = true", "edge = false");
    assert_ne!(inside, shipped);
    assert_eq!(handed_on(&inside).await, 2 * fields);
}
