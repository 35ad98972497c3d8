//! How an explanation reads, as JSON and as a page.

use serde_json::json;
use tower_identity_verify::{Profile, check};

use super::{HOME, draft, shop::Shop};
use crate::support::fixtures::NOW;

const EXPIRED: &str = "\
refused: aud, exp

    iss        \"https://as.example\"
    client     \"storefront\"
    typ        \"at+jwt\"
    alg        \"ES256\"
    kid        \"k1\"
    aud        [\"payments\"]
    iat        2 h 5 min ago
    nbf        now
    exp        59 s ago
    claims     aud client_id exp iat iss jti nbf scope sub

  ✔ format
  ✔ header
  ✔ iss
  ✔ crit
  ✔ typ
  ✔ alg
  ✔ key
  ✔ signature
  ✔ kind
  ✘ aud        expected one of [\"orders\"], found [\"payments\"]
  ✘ exp        expired 59s ago
  ✔ nbf
  ✔ iat
  ✔ cnf
  ✔ claims
  ✔ subject
  ✔ act
  - revoked: not tried, the token is not in order otherwise
";

#[tokio::test]
async fn it_serializes_to_a_stable_shape() {
    let shop = Shop::new(Profile::Rfc9068);
    let mut draft = draft(&shop);
    draft.claims["aud"] = json!("payments");
    let told = serde_json::to_value(shop.explain(&draft.token()).await).expect("serializes");
    let checks = check::ALL.map(|check| match check {
        "aud" => json!({
            "check": "aud", "outcome": "failed", "detail": r#"expected one of ["orders"], found ["payments"]"#,
        }),
        "revoked" => json!({
            "check": "revoked", "outcome": "not_reached", "detail": "the token is not in order otherwise",
        }),
        _ => json!({"check": check, "outcome": "passed", "detail": null}),
    });
    let now = NOW.as_secs();
    let expected = json!({
        "verdict": "refused", "check": "aud", "issuer": HOME, "genuine": true, "judged_at": now,
        "token": {
            "alg": "ES256", "typ": "at+jwt", "kid": "k1", "iss": HOME, "aud": ["payments"], "client": "storefront",
            "iat": now, "nbf": null, "exp": now + 2 * 86_400,
            "claims": ["aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"],
        },
        "checks": checks,
        "principal": null,
    });
    assert_eq!(told, expected);

    let told = serde_json::to_value(shop.explain("opaque").await).expect("serializes");
    let outline = ["verdict", "check", "issuer", "genuine", "token", "principal"].map(|name| told[name].clone());
    assert_eq!(outline, [json!("refused"), json!("format"), json!(null), json!(false), json!(null), json!(null)]);
}

#[tokio::test]
async fn it_prints_as_a_page() {
    let shop = Shop::new(Profile::Rfc9068);
    let mut draft = draft(&shop);
    let accepted = shop.explain(&draft.token()).await.to_string();
    let first = "accepted: storefront of https://as.example, for alice of https://as.example, may orders:write\n";
    assert!(accepted.starts_with(first), "{accepted}");
    assert!(accepted.contains("    exp        in 2 d 0 h\n"), "{accepted}");

    let now = NOW.as_secs();
    draft.claims["aud"] = json!("payments");
    draft.claims["iat"] = json!(now - 2 * 3600 - 359);
    draft.claims["nbf"] = json!(now);
    draft.claims["exp"] = json!(now - 59);
    assert_eq!(shop.explain(&draft.token()).await.to_string(), EXPIRED);
}

#[tokio::test]
async fn what_the_sender_wrote_is_escaped_and_cut() {
    let shop = Shop::new(Profile::Rfc9068);
    let mut draft = draft(&shop);
    let hostile = format!("\u{1b}[2J\r\n{}", "x".repeat(100));
    draft.header["typ"] = json!(hostile);
    draft.header["kid"] = json!(hostile);
    draft.claims[hostile.as_str()] = json!(1);
    draft.claims["iss"] = json!(format!("https://as.example/{}", "x".repeat(1000)));
    for iss in [json!(format!("https://as.example/{}", "x".repeat(1000))), json!(HOME)] {
        draft.claims["iss"] = iss;
        let page = shop.explain(&draft.token()).await.to_string();
        assert!(!page.contains(['\u{1b}', '\r']), "{page}");
        assert!(page.contains(r"\u{1b}[2J\r\nxxx"), "{page}");
        assert!(page.matches('x').count() < 1500, "{page}");
    }
}
