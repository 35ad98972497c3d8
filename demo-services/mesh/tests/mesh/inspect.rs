//! `mesh token inspect`, as whoever is on call runs it.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tower_identity_testkit::{Endpoint, TestIssuer, TokenBuilder};

use crate::support::text_of;

/// The settings of orders, which trust this issuer.
fn orders(copy: &str, issuer: &TestIssuer) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(copy);
    fs::create_dir_all(directory.join("keys")).expect("a directory");
    fs::write(directory.join("keys/orders.pem"), text_of("keys/orders.pem")).expect("written");
    let file = directory.join("orders.toml");
    let text = text_of("orders.toml").replace("http://127.0.0.1:7000", issuer.issuer().as_str());
    fs::write(&file, text).expect("written");
    file
}

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn inspect(settings: &Path, arguments: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mesh"))
        .args(["token", "inspect", "--settings"])
        .arg(settings)
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run");
    let mut stdin = child.stdin.take().expect("piped");
    // Who does not read it has closed it, perhaps before it was written.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("ended");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Alice's token for orders, which is accepted.
fn good(issuer: &TestIssuer) -> TokenBuilder {
    issuer.token().client("storefront").subject("alice").audience("orders").scope("orders:write")
}

/// The lines of the page that tell of a failure.
fn failed(page: &str) -> Vec<&str> {
    page.lines().filter_map(|line| line.strip_prefix("  ✘ ")).collect()
}

#[test]
fn the_exit_code_and_the_page_say_what_becomes_of_a_token() {
    let issuer = TestIssuer::start();
    let settings = orders("inspect", &issuer);
    let name = issuer.issuer();

    let accepted = inspect(&settings, &[], good(&issuer).build().expose());
    let first = format!("accepted: storefront of {name}, for alice of {name}, may orders:write\n");
    assert!(accepted.out.starts_with(&first), "{}", accepted.out);
    assert_eq!((accepted.code, accepted.err.as_str(), failed(&accepted.out)), (Some(0), "", vec![]));

    let wrong_audience = good(&issuer).audience("payments");
    let expired = good(&issuer).claim("iat", 1_700_000_000).claim("exp", 1_700_000_300);
    let id_token = good(&issuer).header("typ", "JWT").audience("shop-web").claim("nonce", "n");
    let cases = [
        (wrong_audience, "aud", vec![r#"aud        expected one of ["orders"], found ["payments"]"#]),
        (expired, "exp", vec!["exp        expired"]),
        (
            id_token,
            "typ, aud",
            vec![
                r#"typ        expected "at+jwt", found "JWT"; by its claims (nonce) an ID token: the client has to send its"#,
                r#"aud        expected one of ["orders"], found ["shop-web"]"#,
            ],
        ),
        (good(&issuer).tampered(), "signature", vec!["signature  the signature does not verify"]),
    ];
    for (token, checks, lines) in cases {
        let token = token.build();
        let refused = inspect(&settings, &["-"], token.expose());
        assert_eq!((refused.code, refused.err.as_str()), (Some(1), ""), "{}", refused.out);
        assert!(refused.out.starts_with(&format!("refused: {checks}\n")), "{}", refused.out);
        let failed = failed(&refused.out);
        assert!(
            failed.len() == lines.len() && failed.iter().zip(&lines).all(|(line, start)| line.starts_with(start)),
            "{}",
            refused.out
        );
        assert!(token.expose().split('.').all(|part| !refused.out.contains(part)), "{}", refused.out);
    }
}

/// By its type it is looked at as what it is, where orders says whose it takes; else as a caller's token, which it is not.
#[test]
fn a_transaction_token_is_explained_as_one() {
    let issuer = TestIssuer::start();
    let settings = orders("inspect-transaction", &issuer);
    let text = fs::read_to_string(&settings).expect("settings");
    let keys = issuer.url(Endpoint::Keys);
    let taking = format!(
        "{text}\n[[inbound.transaction_tokens]]\ntrust_domain = \"shop.internal\"\nkeys = {{ url = \"{keys}\" }}\n"
    );
    let token = |domain: &str| {
        let token = issuer.transaction_token(domain, "storefront").subject("alice").scope("orders:write");
        token.claim("iss", issuer.issuer().as_str()).build()
    };
    let strange = inspect(&settings, &[], token("shop.internal").expose());
    assert_eq!(
        (strange.code, failed(&strange.out)[0]),
        (Some(1), r#"typ        expected "at+jwt", found "txntoken+jwt""#)
    );

    fs::write(&settings, taking).expect("written");
    let accepted = inspect(&settings, &[], token("shop.internal").expose());
    let first = "accepted beside its sender's own credential: for alice of shop.internal, asked for by storefront of \
                 shop.internal, may orders:write\n";
    assert!(accepted.out.starts_with(first), "{}", accepted.out);
    assert_eq!((accepted.code, accepted.err.as_str(), failed(&accepted.out)), (Some(0), "", vec![]));
    let other = token("bank.internal");
    let refused = inspect(&settings, &[], other.expose());
    assert_eq!((refused.code, refused.out.lines().next()), (Some(1), Some("refused: aud")));
    let expected = r#"aud        expected one of ["shop.internal"], found ["bank.internal"]"#;
    assert!(failed(&refused.out).iter().all(|line| line.starts_with(expected)), "{}", refused.out);
    assert!(other.expose().split('.').all(|part| !refused.out.contains(part)), "{}", refused.out);
}

#[test]
fn the_token_may_be_an_argument_and_the_answer_json() {
    let issuer = TestIssuer::start();
    let settings = orders("inspect-json", &issuer);
    let told = inspect(&settings, &["--json", good(&issuer).audience("payments").build().expose()], "");
    let json: Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!((told.code, &json["verdict"], &json["check"]), (Some(1), &"refused".into(), &"aud".into()));
    assert_eq!(json["checks"].as_array().map(Vec::len), Some(18));
}

#[test]
fn what_cannot_be_decided_ends_with_2() {
    let issuer = TestIssuer::start();
    let settings = orders("inspect-undecided", &issuer);
    let token = good(&issuer).build();
    issuer.stop();
    let undecided = inspect(&settings, &[], token.expose());
    let first = "not decided: key\n";
    assert!(undecided.out.starts_with(first), "{}", undecided.out);
    assert_eq!((undecided.code, undecided.err.as_str()), (Some(2), ""));

    let no_token = inspect(&settings, &[], " \n");
    assert_eq!((no_token.code, no_token.out.as_str()), (Some(2), ""));
    assert_eq!(no_token.err, "there is no token on standard input\n");
    let no_file = inspect(Path::new("none.toml"), &[], token.expose());
    assert_eq!((no_file.code, no_file.out.as_str()), (Some(2), ""));
    assert!(no_file.err.starts_with("none.toml: cannot be read: "), "{}", no_file.err);
    issuer.restart();
    assert_eq!(inspect(&settings, &[], token.expose()).code, Some(0), "the control");
}
