use super::*;

const SHOP: &str = "[[inbound.transaction_tokens]]
trust_domain = 'shop.internal'
keys = { url = 'https://login.example.com/transaction-keys' }
workloads_of = 'https://login.example.com'
carriers = ['orders']
max_lifetime_seconds = 120
";

fn read(inbound: &str, shop: &str) -> Result<Settings, String> {
    let text = format!("[inbound]\n{inbound}\n{ISSUER}\n{shop}");
    Settings::parse(&text, "orders.toml").map_err(|refused| refused.to_string())
}

#[test]
fn tx_a5_a_file_says_whose_transaction_tokens_are_read_and_who_carries_them() {
    let layer = |shop: &str| format!("{:?}", read("", shop).expect("good").auth_layer().expect("a layer"));
    assert!(layer(SHOP).contains("transaction: Some") && layer(SHOP).contains("txn-token"));
    assert!(layer("").contains("transaction: None"), "the control");

    let without = |part: &str| SHOP.lines().filter(|line| !line.starts_with(part)).collect::<Vec<_>>().join("\n");
    for (inbound, shop, expected) in [
        ("", without("trust_domain"), "missing field `trust_domain`"),
        ("", without("keys"), "inbound.transaction_tokens[0].keys.url: is missing"),
        (
            "",
            SHOP.replace("shop.internal", "https://login.example.com"),
            "transaction_tokens[0].trust_domain: is the name of",
        ),
        (
            "",
            SHOP.replace("120", "0"),
            "inbound.transaction_tokens[0].max_lifetime_seconds: is not between 1 and 3600 s",
        ),
        ("", SHOP.replace("carriers", "carrier"), "unknown field `carrier`"),
        (
            "edge = true",
            SHOP.to_owned(),
            "inbound.transaction_tokens: stands beside edge = true: nobody outside has any",
        ),
        (
            "sources = [{ header = 'txn-token' }]",
            SHOP.to_owned(),
            "inbound.sources[0]: is the field of transaction tokens",
        ),
    ] {
        let refused = read(inbound, &shop).expect_err(expected);
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn tx_a9_who_carries_them_changes_while_the_service_runs_and_whether_they_are_read_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("orders.toml");
    let write = |shop: &str| std::fs::write(&file, format!("[inbound]\n{ISSUER}\n{shop}")).expect("written");
    write(SHOP);
    let settings = LiveSettings::from_path(&file).expect("good");
    write(&SHOP.replace("['orders']", "['reports']"));
    assert_eq!(settings.reload().expect("good"), 2);
    write("");
    let refused = settings.reload().expect_err("waits for a restart").to_string();
    assert!(refused.contains("inbound.transaction_tokens: takes effect at a restart only"), "{refused}");
    assert_eq!(settings.generation(), 2);
}
