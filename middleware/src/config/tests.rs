#[cfg(feature = "edge")]
mod edge;
mod forwarded;
mod plain_users;
#[cfg(feature = "transaction-tokens")]
mod transactions;

use serde::Deserialize;

use super::*;

const DEVELOPMENT: &str = "\
[inbound]
development = true

[[inbound.issuer]]
issuer = 'https://login.example.com'
audience = 'orders'
";

/// Whether refusals are explained shows in nothing but the layer's `Debug`, and in answers.
fn explains(file: &str) -> Result<bool, String> {
    let settings = Settings::parse(file, "orders.toml").map_err(|refused| refused.to_string())?;
    settings.verifier().expect("a verifier, in development too");
    Ok(format!("{:?}", settings.auth_layer().expect("a layer")).contains("development: Some"))
}

#[test]
fn e_p1_development_mode_is_said_in_the_file_and_refused_by_a_release_build() {
    let expected = if cfg!(debug_assertions) {
        Ok(true)
    } else {
        Err("orders.toml:2: inbound.development: a release build tells nobody why a token is refused".to_owned())
    };
    assert_eq!(explains(DEVELOPMENT), expected);
    assert_eq!(explains(&DEVELOPMENT.replace("true", "false")), Ok(false));
    assert_eq!(explains(&DEVELOPMENT.replace("development = true", "")), Ok(false));
    let refused = Settings::parse("", "orders.toml").expect("an empty file").auth_layer().map(drop);
    assert_eq!(refused.unwrap_err().to_string(), "orders.toml: inbound: the file has no such table");
}

const RULES: &str = "\
[inbound.rule]
place_order = { all = [{ scope = 'orders:write' }, 'user'] }
settle = { all = [{ callers_file = 'partners.txt' }, 'no_user'] }

[[inbound.issuer]]
issuer = 'https://login.example.com'
audience = 'orders'
";

#[test]
fn rules_are_read_by_their_names_with_the_files_beside_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("orders.toml");
    std::fs::write(&file, RULES).expect("written");
    let refused = |what: &str| Err(format!("{}{what}", file.display()));
    let rule = |name: &str| {
        let read = Settings::from_path(&file).and_then(|settings| settings.rule(name));
        read.map(|rule| rule.to_string()).map_err(|refused| refused.to_string())
    };
    let list = folder.path().join("partners.txt");
    let of_list =
        |wrong: &str| refused(&format!(":3: inbound.rule.settle.all[0].callers_file: {}: {wrong}", list.display()));
    assert_eq!(rule("settle"), of_list("cannot be read: entity not found"));
    std::fs::write(&list, "the shop\n").expect("written");
    assert_eq!(rule("place_order"), of_list("line 1 is neither a name, nor a name and the URI of its issuer"));
    std::fs::write(&list, "scheduler\n").expect("written");
    assert_eq!(rule("settle"), Ok("a caller listed in partners.txt and no user".to_owned()));
    assert_eq!(rule("place_order"), Ok("scope orders:write and a user".to_owned()));
    assert_eq!(rule("place-order"), refused(": inbound.rule.place-order: the file has no such rule"));
}

#[test]
fn a_rule_that_nobody_can_satisfy_refuses_the_file_with_its_line() {
    let with = |rule: &str| {
        let text = RULES.replace("{ callers_file = 'partners.txt' }", rule);
        Settings::parse(&text, "orders.toml").map(drop).map_err(|refused| refused.to_string())
    };
    let refused = |what: &str| Err(format!("orders.toml:3: inbound.rule.settle: {what}"));
    assert_eq!(with("{ callers = ['scheduler'] }"), Ok(()));
    assert_eq!(
        with("{ callers = ['a'] }, { callers = ['b'] }"),
        refused("all[1].callers: leaves nobody of the callers that are named before it")
    );
    assert_eq!(
        with("{ callers = ['a'] }, { role = 'b' }"),
        refused("all[2].no_user: a request is for a user, or for none")
    );
    assert_eq!(with("{ callers = [] }"), refused("all[0].callers: is empty"));
}

#[test]
fn a_list_of_callers_that_nobody_would_read_is_refused_with_its_line() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Shop {
        who_may: Rule,
        #[serde(default)]
        report: Option<Report>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Report {
        callers_file: String,
        daily: bool,
    }
    let section = |text: &str| {
        let settings = Settings::parse(&format!("[shop]\n{text}\n"), "orders.toml").expect("a good file");
        settings.section::<Shop>("shop").map(|shop| shop.who_may.to_string()).map_err(|refused| refused.to_string())
    };
    let refused = |path: &str| {
        let rule = "is read in the table inbound.rule alone: put the rule there, and take it by Settings::rule";
        Err(format!("orders.toml:2: shop.who_may.{path}: {rule}"))
    };
    assert_eq!(section("who_may = { callers_file = 'partners.txt' }"), refused("callers_file"));
    assert_eq!(
        section("who_may = { all = [{ any = ['user', { callers_file = 'partners.txt' }] }, { scope = 'a' }] }"),
        refused("all[0].any[1].callers_file")
    );
    assert_eq!(
        section("who_may = { all = [{ callers = ['a'] }, 'user'] }"),
        Ok("a caller among a and a user".to_owned())
    );
    let of_another_meaning = "who_may = 'user'\nreport = { callers_file = 'callers.csv', daily = true }";
    assert_eq!(section(of_another_meaning), Ok("a user".to_owned()));
}

const TWO: &str = "\
[inbound]
user_source = { header = 'x-user-token' }
accept_may_act = true

[[inbound.issuer]]
issuer = 'https://machines.example.com'
audience = 'orders'
issued_to_is_sender = true

[[inbound.issuer]]
trust_domain = 'example.org'
audience = 'orders'
keys = { url = 'https://spire.example.org/bundle' }

[[inbound.user_issuer]]
issuer = 'https://login.example.com'
audience = 'shop'

[[inbound.workload]]
is = ['storefront', { issuer = 'spiffe://example.org', id = 'spiffe://example.org/storefront' }]

[[inbound.trusted_caller]]
callers = ['gateway', { issuer = 'spiffe://example.org', id = 'legacy' }]
users_of = ['https://login.example.com']
";

fn parsed(file: &str) -> Result<String, String> {
    let settings = Settings::parse(file, "orders.toml").map_err(|refused| refused.to_string())?;
    Ok(format!("{:?}", settings.verifier().expect("a verifier")))
}

#[test]
fn what_relates_two_credentials_is_read_from_the_file() {
    let verifier = parsed(TWO).expect("good");
    for (found, line) in
        [("may_act: true", "accept_may_act = true"), ("issued_to_is_sender: true", "issued_to_is_sender = true")]
    {
        assert!(verifier.contains(found), "{found}: {verifier}");
        assert!(!parsed(&TWO.replacen(line, "", 1)).expect("good").contains(found), "the control: {line}");
    }
    let of_users = "audiences: [\"shop\"]";
    assert_eq!(verifier.matches(of_users).count(), 1);
    assert!(verifier.contains("users_of: [\"https://login.example.com\"]"), "{verifier}");
}

#[test]
fn said_a5_a_service_that_is_taken_at_its_word_is_read_from_the_file() {
    const SAID: &str = "\
[[inbound.issuer]]
issuer = 'https://login.example.com'
audience = 'payments'

[[inbound.self_asserted]]
issuer = 'https://orders.internal'
audience = 'payments'
users_of = ['https://login.example.com']
keys = { url = 'https://orders.internal/keys' }

[[inbound.workload]]
is = ['orders', { issuer = 'https://orders.internal', id = 'https://orders.internal' }]

[inbound.rule]
charge = { all = [{ scope = 'payments:charge' }, 'self_asserted_user'] }
";
    let verifier = parsed(SAID).expect("good");
    assert!(verifier.contains("users_of: [\"https://login.example.com\"]"), "{verifier}");
    let cases = [
        ("['https://login.example.com']", "[]", ":8: inbound.self_asserted[0].users_of: names no issuer"),
        (
            "keys = { url = 'https://orders.internal/keys' }",
            "",
            ":5: inbound.self_asserted[0].keys.url: is missing, and keys_file too: where the service's key set is",
        ),
        (
            "issuer = 'https://orders.internal'\naud",
            "issuer = 'https://login.example.com'\naud",
            ":6: inbound.self_asserted[0].issuer: is trusted for its tokens already; a service's word comes under a name of its own",
        ),
        (
            "audience = 'payments'\nusers_of",
            "audience = ['payments']\nusers_of",
            ":7: inbound.self_asserted[0].audience: invalid type: sequence, expected a string",
        ),
    ];
    for (good, bad, expected) in cases {
        let refused = parsed(&SAID.replacen(good, bad, 1)).expect_err(bad);
        assert_eq!(refused, format!("orders.toml{expected}"), "{bad}");
    }
}

#[test]
fn what_relates_nobody_is_refused_with_its_line() {
    let cases = [
        ("accept_may_act = true", "may_act = true", ":3: inbound.may_act: unknown field `may_act`"),
        ("audience = 'shop'", "audience = ''", ":17: inbound.user_issuer[0].audience: audience is empty"),
        ("'storefront', {", "{", ":20: inbound.workload[0].is: lists one name, which needs no row"),
        (
            "issuer = 'spiffe://example.org', id = 'spiffe",
            "issuer = 'spiffe://example.com', id = 'spiffe",
            ":20: inbound.workload[0].is[1]: is of an issuer that is not trusted",
        ),
        ("is = [", "names = [", ":20: inbound.workload[0].names: unknown field `names`"),
        ("id = 'legacy'", "id = ''", ":23: inbound.trusted_caller[0].callers[1]: "),
        (
            "{ issuer = 'spiffe://example.org', id = 'legacy' }",
            "{ issuer = 'https://login.example.com', id = 'legacy' }",
            ":23: inbound.trusted_caller[0].callers[1]: is of an issuer that is not trusted",
        ),
        (
            "user_source = { header = 'x-user-token' }\n",
            "",
            ":14: inbound.user_issuer: needs user_source: where a user's credential is",
        ),
        (
            "users_of = ['https://login.example.com']",
            "users_of = ['https://machines.example.com']",
            ":24: inbound.trusted_caller[0].users_of[0]: is no issuer whose users' credentials are accepted",
        ),
    ];
    for (good, bad, expected) in cases {
        let refused = parsed(&TWO.replacen(good, bad, 1)).expect_err(bad);
        assert!(refused.starts_with(&format!("orders.toml{expected}")), "{bad}: {refused}");
    }
}

const ISSUER: &str = "\n[[inbound.issuer]]\nissuer = 'https://login.example.com'\naudience = 'orders'\n";

fn inbound(fields: &str) -> Result<Settings, String> {
    Settings::parse(&format!("[inbound]\n{fields}{ISSUER}"), "orders.toml").map_err(|refused| refused.to_string())
}

#[test]
fn cred_a1_sources_are_named_in_the_file_and_wrong_ones_refused_with_their_place() {
    let fields = "sources = ['authorization', { cookie = '__Host-session' }, { header = 'x-token' }]\n\
                  user_source = { header = 'x-user-token' }\nallowed_origins = ['https://shop.example']\nobserve = true";
    let layer = format!("{:?}", inbound(fields).expect("good").auth_layer().expect("a layer"));
    for told in ["__Host-session", "x-token", "user: Some(Source(Header(\"x-user-token\")))", "unenforced: Some"] {
        assert!(layer.contains(told), "{told} in {layer}");
    }
    let cases = [
        ("sources = []", "sources: names no source"),
        ("sources = ['authorization', 'authorization']", "sources[1]: is named twice"),
        ("sources = ['query']", "sources[0]: unknown variant `query`"),
        ("sources = [{ header = 'host' }]", "sources[0]: header: has another meaning"),
        ("sources = [{ cookie = 'a b' }]", "sources[0]: cookie: is empty or has a character"),
        ("user_source = 'authorization'", "user_source: is a source of the caller's credential too"),
        ("allowed_origins = ['https://a.example', 'https://b.example/']", "allowed_origins[1]: "),
        ("accept_may_act = true", "accept_may_act: needs user_source: where a user's credential is"),
        ("edge_also = ['x-acme-*']", "edge_also: needs edge = true"),
        ("edge = true\nedge_also = ['host']", "edge_also[0]: would take away what belongs to the message itself"),
    ];
    for (fields, expected) in cases {
        let line = 1 + fields.lines().count();
        let refused = inbound(fields).map(drop).expect_err(fields);
        assert!(refused.starts_with(&format!("orders.toml:{line}: inbound.{expected}")), "{refused}");
    }
}

#[test]
fn rfc6750_a9_a_file_for_the_edge_is_refused_by_a_service_that_is_none() {
    let edge = inbound("edge = true").expect("good");
    let rule = "is for a service that takes the edge_layer of its settings, and this one does not";
    let refused = edge.auth_layer().map(drop).expect_err("not at the edge").to_string();
    assert_eq!(refused, format!("orders.toml:2: inbound.edge: {rule}"));
    assert!(edge.edge_layer().is_ok());
    let inside = inbound("").expect("good");
    assert!(inside.auth_layer().is_ok());
    let refused = inside.edge_layer().map(drop).expect_err("it does not say").to_string();
    let rule = "has to be true or false: this service may stand at the edge";
    assert_eq!(refused, format!("orders.toml:1: inbound.edge: {rule}"));
    let inside = inbound("edge = false").expect("good");
    assert!(inside.auth_layer().is_ok() && inside.edge_layer().is_ok());
}

#[test]
fn long_a2_the_file_says_what_becomes_of_streams() {
    let told = |fields: &str| format!("{:?}", inbound(fields).expect("good").auth_layer().expect("a layer"));
    let cases = [
        ("", "streams: End,"),
        ("streams = 'end'", "streams: End,"),
        ("streams = 'end_if_revoked'", "streams: EndIfRevoked,"),
        ("streams = 'finish'", "streams: Finish,"),
    ];
    for (fields, expected) in cases {
        assert!(told(fields).contains(expected), "{fields}: {}", told(fields));
    }
    let refused = inbound("streams = 'forever'").map(drop).expect_err("no such way");
    assert!(refused.starts_with("orders.toml:2: inbound.streams: unknown variant `forever`"), "{refused}");
}

const EVENTS: &str = "\
[[inbound.issuer]]
issuer = 'https://login.example.com'
audience = 'orders'

[inbound.events]
audience = 'https://orders.example.com/events'

[[inbound.events.transmitter]]
issuer = { issuer = 'https://signals.example.com', audience = 'https://orders.example.com/events' }
revokes = ['https://login.example.com']
";

#[test]
fn ssf_a1_a_file_says_whose_events_end_tokens_and_what_is_wrong_with_it() {
    let read = |file: &str| {
        let settings = Settings::parse(file, "orders.toml").map_err(|refused| refused.to_string())?;
        settings.events().map(|events| events.path().to_owned()).map_err(|refused| refused.to_string())
    };
    assert_eq!(read(EVENTS), Ok("/security-events".to_owned()));
    for (from, to, expected) in [
        ("revokes = ['https://login.example.com']", "revokes = []", Ok("/security-events".to_owned())),
        (
            "revokes = ['https://login.example.com']",
            "revokes = ['https://other.example']",
            Err("orders.toml:10: inbound.events.transmitter[0].revokes[0]: is no issuer whose tokens are accepted"),
        ),
        (
            "audience = 'https://orders.example.com/events'\n",
            "audience = ''\n",
            Err("orders.toml:6: inbound.events.audience: audience is empty"),
        ),
        (
            "audience = 'https://orders.example.com/events'\n",
            "audience = 'x'\npath = 'events'\n",
            Err("orders.toml:7: inbound.events.path: is no path such as /security-events"),
        ),
        (
            "https://signals.example.com",
            "ftp://signals.example.com",
            Err(
                "orders.toml:9: inbound.events.transmitter[0].issuer.issuer: is neither https nor http on a loopback address",
            ),
        ),
    ] {
        assert_eq!(read(&EVENTS.replacen(from, to, 1)), expected.map_err(str::to_owned), "{to}");
    }
    let without = EVENTS.split("[inbound.events]").next().expect("a part");
    assert_eq!(read(without), Err("orders.toml: inbound.events: the file has no such table".to_owned()));
}

#[test]
fn ssf_a2_how_much_the_list_of_what_is_revoked_holds_is_said_in_the_file() {
    let login = "https://login.example.com";
    let kept = |table: &str| {
        let file = format!("{table}\n[[inbound.issuer]]\nissuer = '{login}'\naudience = 'orders'\n");
        let settings = Settings::parse(&file, "orders.toml").map_err(|refused| refused.to_string())?;
        let list = settings.verifier().expect("there is one").revocations().clone();
        for user in ["alice", "bob", "carol"] {
            let issuer = login.parse().expect("an issuer");
            list.revoke(crate::Revocation::subject(issuer, user.parse().expect("a subject")));
        }
        Ok(list.entries())
    };
    assert_eq!(kept(""), Ok(3));
    assert_eq!(kept("[inbound.revocations]\nretention_seconds = 1"), Ok(3));
    assert_eq!(kept("[inbound.revocations]\nentries = 2"), Ok(2));
    let refused = |rule: &str| Err(format!("orders.toml:2: inbound.revocations.{rule}"));
    assert_eq!(kept("[inbound.revocations]\nentries = 0"), refused("entries: has room for none: 1 or more"));
    let retention = refused("retention_seconds: is shorter than any token's life");
    assert_eq!(kept("[inbound.revocations]\nretention_seconds = 0"), retention);
}

#[test]
fn warm_a6_the_bounds_of_what_is_remembered_are_said_in_the_file() {
    let read = |table: &str| {
        let file = format!(
            "[inbound.remember]\n{table}\n[[inbound.issuer]]\nissuer = 'https://login.example.com'\naudience = 'orders'\n"
        );
        let settings = Settings::parse(&file, "orders.toml").map_err(|refused| refused.to_string())?;
        settings.verifier().map(drop).map_err(|refused| refused.to_string())
    };
    for good in ["", "tokens = 0", "tokens = 10000\nbytes = 33554432", "bytes = 0"] {
        assert_eq!(read(good), Ok(()), "{good}");
    }
    for bad in ["tokens = -1", "entries = 5", "bytes = '1 MiB'"] {
        let refused = read(bad).expect_err(bad);
        assert!(refused.starts_with("orders.toml:2: inbound.remember"), "{refused}");
    }
}

#[test]
fn cert_a11_a_file_says_whose_certificates_are_their_callers_credentials() {
    const ANCHOR: &str = "\n[[inbound.certificates]]\ntrust_domain = 'example.org'\nroots = 'ca.pem'\n";
    let folder = tempfile::tempdir().expect("a folder");
    let authority = tower_identity_testkit::TestAuthority::new(&tower_identity_refresh::system_clock());
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
    let file = folder.path().join("orders.toml");
    let read = |fields: &str, anchor: &str| {
        std::fs::write(&file, format!("[inbound]\n{fields}\n{ISSUER}{anchor}")).expect("written");
        let settings = Settings::from_path(&file).map_err(|refused| refused.to_string())?;
        Ok::<_, String>(format!("{:?}", settings.auth_layer().expect("a layer")))
    };
    for (wanted, expected) in [("required", "Required"), ("optional", "Optional")] {
        let layer = read(&format!("client_certificate = '{wanted}'\naccept_may_act = true"), ANCHOR).expect("good");
        assert!(layer.contains(&format!("client_certificate: Some({expected})")), "{layer}");
    }
    let missing = ANCHOR.replace("ca.pem", "other.pem");
    let cases = [
        ("", ANCHOR, "inbound.certificates: needs client_certificate: required or optional"),
        ("client_certificate = 'required'", "", "inbound.client_certificate: needs certificates: whose are trusted"),
        ("client_certificate = 'required'", &missing, "inbound.certificates[0].roots: "),
        ("client_certificate = 'sometimes'", ANCHOR, "inbound.client_certificate: unknown variant `sometimes`"),
        (
            "client_certificate = 'required'\nuser_source = { header = 'x-user' }",
            ANCHOR,
            "inbound.user_source: beside client_certificate the user's credential is in sources",
        ),
    ];
    for (fields, anchor, expected) in cases {
        let refused = read(fields, anchor).expect_err(expected);
        assert!(refused.contains(expected), "{refused}");
    }
}

#[cfg(not(feature = "edge"))]
#[test]
fn edge_b1_a_table_that_nobody_reads_is_refused_with_its_feature() {
    let refused = inbound("edge = true\n[edge]\ntrust_domain = 'shop.internal'").map(drop);
    let rule = "is read by the feature `edge` of tower-identity, which is off";
    assert_eq!(refused, Err(format!("orders.toml:3: edge: {rule}")));
    assert!(inbound("edge = true").is_ok());
}
