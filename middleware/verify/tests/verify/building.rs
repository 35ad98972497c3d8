//! What cannot be built, and how it is said.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity_core::InvalidSetting;
use tower_identity_jose::Algorithm;
use tower_identity_verify::{IssuerSettings, Profile, TrustedIssuer, Verifier};

const ISSUER: &str = "https://login.example.com";

fn build(issuer: TrustedIssuer) -> Result<(), String> {
    Verifier::builder(issuer).build().map(drop).map_err(|wrong| wrong.to_string())
}

fn wrong(text: &str) -> Result<(), String> {
    Err(text.to_owned())
}

#[test]
fn a_verifier_is_built_without_a_runtime_and_without_an_issuer_that_is_up() {
    assert_eq!(build(TrustedIssuer::discover("http://127.0.0.1:9").audience("orders")), Ok(()));
}

#[test]
fn what_breaks_a_rule_is_named_by_issuer_and_field() {
    let good = || TrustedIssuer::discover(ISSUER).audience("orders");
    let cases = [
        (good(), Ok(())),
        (good().audience("https://orders.example"), Ok(())),
        (good().leeway(Duration::from_secs(120)), Ok(())),
        (TrustedIssuer::discover("").audience("orders"), wrong("issuer[0].issuer: issuer is empty")),
        (TrustedIssuer::discover(ISSUER).audience(" "), wrong("issuer[0].audience: audience is empty")),
        (good().audience(""), wrong("issuer[0].audience: audience is empty")),
        (good().algorithms([]), wrong("issuer[0].algorithms: names no algorithm")),
        (good().leeway(Duration::from_secs(121)), wrong("issuer[0].leeway_seconds: more than 120 s")),
        (
            TrustedIssuer::discover("http://login.example.com").audience("orders"),
            wrong("issuer[0].issuer: is neither https nor http on a loopback address"),
        ),
        (
            TrustedIssuer::keys_at(ISSUER, "http://login.example.com/jwks").audience("orders"),
            wrong("issuer[0].keys.url: is neither https nor http on a loopback address"),
        ),
    ];
    for (issuer, expected) in cases {
        let name = format!("{issuer:?}");
        assert_eq!(build(issuer), expected, "{name}");
    }
}

#[test]
fn the_second_issuer_is_checked_too_and_none_twice() {
    let home = || Verifier::builder(TrustedIssuer::discover(ISSUER).audience("orders"));
    let build = |another| home().issuer(another).build().map(drop).map_err(|wrong| wrong.to_string());
    assert_eq!(build(TrustedIssuer::discover("https://partner.example").audience("orders")), Ok(()));
    assert_eq!(
        build(TrustedIssuer::discover("https://partner.example").audience("")),
        wrong("issuer[1].audience: audience is empty")
    );
    assert_eq!(build(TrustedIssuer::discover(ISSUER).audience("shop")), wrong("issuer[1].issuer: is trusted twice"));
}

fn read(settings: Value) -> Result<TrustedIssuer, String> {
    let settings: IssuerSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
    TrustedIssuer::try_from(settings).map_err(|wrong: InvalidSetting| wrong.to_string())
}

#[test]
fn code_and_file_build_the_same_issuer() {
    let from_file = read(json!({
        "issuer": ISSUER, "audience": ["orders", "shop"], "keys": {"url": "https://inside.example/jwks"},
        "algorithms": ["ES256", "Ed25519"], "leeway_seconds": 5,
    }))
    .expect("valid");
    let from_code = TrustedIssuer::keys_at(ISSUER, "https://inside.example/jwks")
        .audience("orders")
        .audience("shop")
        .algorithms(["ES256", "Ed25519"].map(|name| name.parse().expect("algorithm")))
        .leeway(Duration::from_secs(5));
    assert_eq!(format!("{from_file:?}"), format!("{from_code:?}"));

    let from_file = read(json!({"issuer": ISSUER, "audience": "orders"})).expect("valid");
    let from_code = TrustedIssuer::discover(ISSUER).audience("orders");
    assert_eq!(format!("{from_file:?}"), format!("{from_code:?}"));
}

#[test]
fn a_file_is_refused_whole_and_names_the_field() {
    let cases = [
        (json!({"issuer": ISSUER}), "missing field `audience`"),
        (json!({"audience": "orders"}), "issuer: is missing, and trust_domain too"),
        (json!({"issuer": ISSUER, "audience": []}), "audience: names no audience"),
        (json!({"issuer": ISSUER, "audience": ""}), "audience: audience is empty"),
        (json!({"issuer": ISSUER, "audience": 5}), "a string or a list of strings"),
        (json!({"issuer": ISSUER, "audience": ["orders", ""]}), "audience: audience is empty"),
        (json!({"issuer": "", "audience": "orders"}), "issuer: issuer is empty"),
        (
            json!({"issuer": "http://login.example.com", "audience": "orders"}),
            "issuer: is neither https nor http on a loopback address",
        ),
        (
            json!({"issuer": ISSUER, "audience": "orders", "keys": {"url": "inside/jwks"}}),
            "keys.url: is not an absolute URL",
        ),
        (json!({"issuer": ISSUER, "audience": "orders", "algorithms": []}), "algorithms: names no algorithm"),
        (
            json!({"issuer": ISSUER, "audience": "orders", "algorithms": ["HS256"]}),
            "not a supported signature algorithm",
        ),
        (json!({"issuer": ISSUER, "audience": "orders", "leeway_seconds": 121}), "leeway_seconds: more than 120 s"),
    ];
    for (settings, expected) in cases {
        let name = settings.to_string();
        assert_eq!(read(settings).map(|issuer| format!("{issuer:?}")), wrong_issuer(expected), "{name}");
    }
    let unknown = read(json!({"issuer": ISSUER, "audience": "orders", "profile": "RFC9068"})).expect_err("refused");
    assert!(unknown.starts_with("unknown variant `RFC9068`, expected"), "{unknown}");
    let unknown = read(json!({"issuer": ISSUER, "audience": "orders", "audiences": "shop"})).expect_err("refused");
    assert!(unknown.starts_with("unknown field `audiences`"), "{unknown}");
}

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const OTHER_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const ENTRA: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
const STS: &str = "https://sts.windows.net/{tenantid}/";

#[test]
fn every_profile_has_a_name_in_a_file() {
    for profile in Profile::ALL {
        let issuer = match profile {
            Profile::EntraV1 => STS.replace("{tenantid}", TENANT),
            Profile::EntraV2 => ENTRA.replace("{tenantid}", TENANT),
            _ => ISSUER.to_owned(),
        };
        let (from_file, from_code) = if profile == Profile::JwtSvid {
            let bundle = "https://spire.example.org/bundle";
            (
                json!({"trust_domain": "example.org", "audience": "orders", "keys": {"url": bundle}}),
                TrustedIssuer::trust_domain("example.org", bundle).audience("orders"),
            )
        } else {
            (
                json!({"issuer": issuer, "audience": "orders", "profile": profile.as_str()}),
                TrustedIssuer::discover(issuer).audience("orders").profile(profile),
            )
        };
        let from_file = read(from_file).map(|issuer| format!("{issuer:?}"));
        assert_eq!(from_file, Ok(format!("{from_code:?}")), "{profile:?}");
        assert_eq!(build(from_code), Ok(()), "{profile:?}");
    }
}

#[test]
fn an_issuer_of_tenants_says_which_and_no_other_does() {
    let of = |issuer: &str, profile, tenants: &[&str]| {
        build(TrustedIssuer::discover(issuer).audience("orders").profile(profile).tenants(tenants.iter().copied()))
    };
    let one = ENTRA.replace("{tenantid}", TENANT);
    let common = ENTRA.replace("{tenantid}", "common");
    let upper = ENTRA.replace("{tenantid}", &TENANT.to_uppercase());
    let shape = "issuer[0].issuer: does not end in /<tenant id>/v2.0, nor in /{tenantid}/v2.0";
    let cases = [
        (ENTRA, Profile::EntraV2, &[TENANT][..], Ok(())),
        (ENTRA, Profile::EntraV2, &[TENANT, OTHER_TENANT], Ok(())),
        (STS, Profile::EntraV1, &[TENANT, OTHER_TENANT], Ok(())),
        (&one, Profile::EntraV2, &[], Ok(())),
        (ENTRA, Profile::EntraV2, &[], wrong("issuer[0].tenants: names no tenant, and the issuer is one of many")),
        (
            &one,
            Profile::EntraV2,
            &[TENANT],
            wrong("issuer[0].tenants: names tenants, and the issuer is that of one already"),
        ),
        (ENTRA, Profile::EntraV2, &[TENANT, TENANT], wrong(&format!("issuer[0].tenants: names {TENANT:?} twice"))),
        (
            ENTRA,
            Profile::EntraV2,
            &["contoso.com"],
            wrong("issuer[0].tenants: \"contoso.com\" is no tenant id, in lower case"),
        ),
        (&common, Profile::EntraV2, &[], wrong(shape)),
        (&upper, Profile::EntraV2, &[], wrong(shape)),
        (STS, Profile::EntraV2, &[TENANT], wrong(shape)),
        (
            ENTRA,
            Profile::EntraV1,
            &[TENANT],
            wrong("issuer[0].issuer: does not end in /<tenant id>/, nor in /{tenantid}/"),
        ),
        (
            ENTRA,
            Profile::Rfc9068,
            &[],
            wrong("issuer[0].issuer: has {tenantid} in it, which the profile does not know"),
        ),
        (&one, Profile::Rfc9068, &[TENANT], wrong("issuer[0].tenants: the profile knows no tenants")),
    ];
    for (issuer, profile, tenants, expected) in cases {
        assert_eq!(of(issuer, profile, tenants), expected, "{profile:?} {issuer} {tenants:?}");
    }
}

#[test]
fn a_tenant_is_trusted_once() {
    let entra = |issuer: &str| TrustedIssuer::discover(issuer).audience("orders").profile(Profile::EntraV2);
    let all = || entra(ENTRA).tenants([TENANT]);
    let build = |another| Verifier::builder(all()).issuer(another).build().map(drop).map_err(|wrong| wrong.to_string());
    assert_eq!(build(entra(&ENTRA.replace("{tenantid}", OTHER_TENANT))), Ok(()));
    assert_eq!(build(entra(&ENTRA.replace("{tenantid}", TENANT))), wrong("issuer[1].issuer: is trusted twice"));
    assert_eq!(build(entra(ENTRA).tenants([OTHER_TENANT, TENANT])), wrong("issuer[1].issuer: is trusted twice"));
}

#[test]
fn a_trust_domain_has_a_profile_of_its_own() {
    let of = |name: &str| TrustedIssuer::trust_domain(name, "https://spire.example.org/bundle").audience("orders");
    let cases = [
        (of("example.org"), Ok(())),
        (of("example.org").algorithms([Algorithm::Rs256, Algorithm::Es512]), Ok(())),
        (
            of("Example.org"),
            wrong(
                "issuer[0].trust_domain: is no trust domain: lower case letters, digits, dots, dashes and underscores",
            ),
        ),
        (of("example.org").profile(Profile::Plain), wrong("issuer[0].profile: is not that of a trust domain's tokens")),
        (
            of("example.org").algorithms([Algorithm::Es256, Algorithm::EdDsa]),
            wrong("issuer[0].algorithms: names EdDSA, which the profile rules out"),
        ),
        (
            TrustedIssuer::discover(ISSUER).audience("orders").profile(Profile::JwtSvid),
            wrong("issuer[0].profile: is that of a trust domain's tokens, which have no issuer"),
        ),
        (of("example.org").tenants([TENANT]), wrong("issuer[0].tenants: the profile knows no tenants")),
    ];
    for (issuer, expected) in cases {
        let name = format!("{issuer:?}");
        assert_eq!(build(issuer), expected, "{name}");
    }
    let file = |settings| read(settings).map(drop);
    assert_eq!(
        file(json!({"trust_domain": "example.org", "audience": "orders"})),
        Err("keys.url: is missing: where the trust domain's bundle is".to_owned())
    );
    assert_eq!(
        file(json!({"trust_domain": "example.org", "issuer": ISSUER, "audience": "orders"})),
        Err("trust_domain: stands beside an issuer".to_owned())
    );
}

fn wrong_issuer(text: &str) -> Result<String, String> {
    Err(text.to_owned())
}
