use super::*;

const PEERS: &str = "peers = ['loopback', 'unix_socket', { caller = 'gateway' }]";

fn read(inbound: &str, table: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = tower_identity_testkit::TestAuthority::new(&tower_identity_refresh::system_clock());
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
    let anchor = "[[inbound.certificates]]\ntrust_domain = 'example.org'\nroots = 'ca.pem'\n";
    let file = folder.path().join("orders.toml");
    let text = format!("[inbound]\n{inbound}\n[inbound.forwarded_certificate]\n{table}\n{ISSUER}\n{anchor}");
    std::fs::write(&file, text).expect("written");
    let settings = Settings::from_path(&file).map_err(|refused| refused.to_string())?;
    Ok(format!("{:?}", settings.auth_layer().expect("a layer")))
}

#[test]
fn fwd_a5_a_file_says_whose_word_is_taken_for_which_certificate() {
    for (form, expected) in
        [("rfc9440", "Rfc9440"), ("escaped_pem", "EscapedPem"), ("base64_der", "Base64Der"), ("xfcc", "Xfcc")]
    {
        // Whether or not it is the caller's credential: tokens may be bound to it.
        for inbound in ["", "client_certificate = 'required'"] {
            let table = format!("header = 'X-SSL-Client-Cert'\nform = '{form}'\n{PEERS}");
            let layer = read(inbound, &table).expect("good");
            assert!(layer.contains("forwarded: Some") && layer.contains("x-ssl-client-cert"), "{layer}");
            assert!(layer.contains(expected) && layer.contains("Loopback, UnixSocket, Caller("), "{layer}");
        }
    }
    let whole = format!("header = 'client-cert'\nform = 'rfc9440'\n{PEERS}");
    let without = |part: &str| whole.lines().filter(|line| !line.starts_with(part)).collect::<Vec<_>>().join("\n");
    let cases = [
        ("", without("header"), "missing field `header`"),
        ("", without("form"), "missing field `form`"),
        ("", without("peers"), "missing field `peers`"),
        ("", whole.replace("'rfc9440'", "'nginx'"), "unknown variant `nginx`"),
        ("", whole.replace("'loopback'", "'10.0.0.0/8'"), "unknown variant `10.0.0.0/8`"),
        ("", format!("{}peers = []", without("peers") + "\n"), "peers: names no proxy: whose word is taken"),
        ("", format!("{whole}\nalso = true"), "unknown field `also`"),
        ("sources = [{ header = 'client-cert' }]", whole.clone(), "header: is a source of tokens too"),
    ];
    for (inbound, table, expected) in cases {
        let refused = read(inbound, &table).expect_err(expected);
        assert!(refused.contains("inbound.forwarded_certificate") && refused.contains(expected), "{refused}");
    }
}
