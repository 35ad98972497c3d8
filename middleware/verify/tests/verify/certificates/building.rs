//! What no verifier is built with.

use std::path::Path;

use serde_json::{Value, json};
use tower_identity_core::CallerName;
use tower_identity_verify::{
    CertificateAnchor, CertificateSettings, NameKind, TrustedIssuer, Verifier, VerifierBuilder,
};

use super::{House, PKI, STOREFRONT};

fn home() -> VerifierBuilder {
    Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("orders"))
}

fn refused(builder: VerifierBuilder) -> String {
    builder.build().expect_err("refused").to_string()
}

#[test]
fn cert_a11_an_anchor_has_roots_and_they_are_authorities() {
    let house = House::new();
    let of = |roots: &str| home().certificates(CertificateAnchor::trust_domain("example.org", roots));
    let pem = house.spire.pem();
    of(&pem).build().expect("the control");
    of(&(pem.clone() + &house.partner.pem())).build().expect("the control: two roots");
    assert_eq!(refused(of("")), "certificates[0].roots: holds no certificate");
    assert_eq!(refused(of("hello")), "certificates[0].roots: holds no certificate");
    let torn = refused(of(&pem.replace("-----END CERTIFICATE-----", "")));
    assert!(torn.starts_with("certificates[0].roots: is no PEM: "), "{torn}");
    let damaged = refused(of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
    assert!(damaged.starts_with("certificates[0].roots: certificate 0 cannot be read: "), "{damaged}");

    let leaf = pem_of(&house.svid().build().chain()[0]);
    assert_eq!(refused(of(&(pem + &leaf))), "certificates[0].roots: certificate 1 is no authority's");
}

fn pem_of(der: &[u8]) -> String {
    let text = base64_simd::STANDARD.encode_to_string(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[test]
fn cert_a11_every_anchor_has_a_name_of_its_own() {
    let house = House::new();
    let pem = || house.spire.pem();
    let domain = |name: &str| CertificateAnchor::trust_domain(name, pem());
    let authority = |issuer: &str| CertificateAnchor::private_authority(issuer, NameKind::Dns, pem());
    assert_eq!(
        refused(home().certificates(domain("Example.org"))),
        "certificates[0].trust_domain: is no trust domain: lower case letters, digits, dots, dashes and underscores",
    );
    let empty = refused(home().certificates(authority("")));
    assert!(empty.starts_with("certificates[0].issuer: "), "{empty}");
    let twice = home().certificates(domain("example.org")).certificates(domain("example.org"));
    assert_eq!(refused(twice), "certificates[1].issuer: is trusted twice");
    let as_domain = home().certificates(domain("example.org")).certificates(authority("spiffe://example.org"));
    assert_eq!(refused(as_domain), "certificates[1].issuer: is trusted twice");

    // Who says `orders` there is somebody else.
    let rule = "certificates[0].issuer: is an issuer of tokens, whose names are others; say by workload which are one";
    assert_eq!(refused(home().certificates(authority("https://login.example.com"))), rule);
    let of_users = home().user_issuer(TrustedIssuer::discover("https://users.example.com").audience("shop"));
    assert_eq!(refused(of_users.certificates(authority("https://users.example.com"))), rule);
    home().certificates(authority(PKI)).build().expect("the control");
    // A trust domain's workloads are the same ones, whichever document they present.
    let svids = TrustedIssuer::trust_domain("example.org", "https://spire.example.org/bundle").audience("orders");
    home().issuer(svids).certificates(domain("example.org")).build().expect("the control");
}

#[test]
fn cert_a11_workloads_of_an_anchor_are_named_like_any_others() {
    let house = House::new();
    let row = || [CallerName::try_from("storefront").expect("a name"), spiffe("spiffe://example.org", STOREFRONT)];
    house.builder().workload(row()).build().expect("valid");
    assert_eq!(refused(home().workload(row())), "workload[0].is[1]: is of an issuer that is not trusted");
}

fn spiffe(issuer: &str, id: &str) -> CallerName {
    CallerName::of_issuer(issuer, id).expect("a name")
}

#[test]
fn cert_a11_a_file_names_one_kind_of_anchor_and_its_roots() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), House::new().spire.pem()).expect("written");
    let read = |table: Value, folder: &Path| {
        let settings: CertificateSettings = serde_json::from_value(table).expect("a table");
        settings.anchor(folder).map_err(|invalid| invalid.to_string())
    };
    let of = |table: Value| {
        read(table, folder.path())
            .and_then(|anchor| home().certificates(anchor).build().map(drop).map_err(|invalid| invalid.to_string()))
    };
    let wrong = |rule: &str| Err(rule.to_owned());
    assert_eq!(of(json!({"trust_domain": "example.org", "roots": "ca.pem"})), Ok(()));
    assert_eq!(of(json!({"issuer": PKI, "name": "dns", "roots": "ca.pem"})), Ok(()));
    assert_eq!(of(json!({"issuer": PKI, "name": "uri", "roots": "ca.pem"})), Ok(()));
    assert_eq!(of(json!({"issuer": PKI, "roots": "ca.pem"})), wrong("name: is missing: dns or uri"));
    assert_eq!(
        of(json!({"trust_domain": "example.org", "name": "dns", "roots": "ca.pem"})),
        wrong("name: a trust domain's workloads have SPIFFE IDs"),
    );
    assert_eq!(of(json!({"roots": "ca.pem"})), wrong("trust_domain: is missing, and issuer too"));
    assert_eq!(
        of(json!({"trust_domain": "example.org", "issuer": PKI, "roots": "ca.pem"})),
        wrong("trust_domain: stands beside an issuer"),
    );
    let place = |name: &str| folder.path().join(name).display().to_string();
    let missing = of(json!({"trust_domain": "example.org", "roots": "other.pem"})).expect_err("no such file");
    assert_eq!(missing, format!("certificates[0].roots: {} cannot be read: entity not found", place("other.pem")));
    let at = |name: &str| json!({"trust_domain": "example.org", "roots": name});
    std::fs::create_dir(folder.path().join("folder")).expect("made");
    assert_eq!(
        of(at("folder")),
        wrong(&format!("certificates[0].roots: {} cannot be read: is a directory", place("folder")))
    );
    let mut roots = std::fs::read(folder.path().join("ca.pem")).expect("read");
    roots.resize(1024 * 1024, b'\n');
    std::fs::write(folder.path().join("most.pem"), &roots).expect("written");
    assert_eq!(of(at("most.pem")), Ok(()));
    roots.push(b'\n');
    std::fs::write(folder.path().join("more.pem"), &roots).expect("written");
    assert_eq!(
        of(at("more.pem")),
        wrong(&format!("certificates[0].roots: {} is larger than 1048576 bytes", place("more.pem")))
    );
    // A Workload API may tell of them; nobody does here.
    assert_eq!(
        of(json!({"trust_domain": "example.org"})),
        wrong("roots: is missing: the file with the certificates of its authorities"),
    );
    let unread = serde_json::from_value::<CertificateSettings>(json!({"roots": "ca.pem", "root": "ca.pem"}));
    let expected = "unknown field `root`, expected one of `trust_domain`, `issuer`, `name`, `roots`";
    assert_eq!(unread.expect_err("an unknown field").to_string(), expected);
}
