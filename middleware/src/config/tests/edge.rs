use super::*;

/// Of the fields that have one, the line is that of the field.
const FILE: &str = "\
[inbound]
edge = true

[[inbound.issuer]]
issuer = 'https://login.example.com'
audience = 'storefront'

[edge]
trust_domain = 'shop.internal'
requesting_workload = 'storefront'
users = 'pairwise'
secret_file = 'edge.secret'
generated_key = 'ES256'
lifetime_seconds = 60

[edge.rotation]
max_age_seconds = 300

[[edge.scope]]
outside = 'orders:write'
inside = 'orders:place'
";

/// Beside which there are a secret, a key, and files that are neither.
struct Folder(tempfile::TempDir);

const SECRET: &str = "quite a long secret of 32 bytes!";

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        let authority = tower_identity_testkit::TestAuthority::new(&tower_identity_refresh::system_clock());
        let files = [
            ("edge.secret", format!("\n{SECRET}\n")),
            ("short.secret", SECRET[1..].to_owned() + "\n"),
            ("long.secret", SECRET.repeat(4096)),
            ("mint.pem", authority.certificate().build().key_pem()),
            ("none.pem", SECRET.to_owned()),
        ];
        for (name, text) in files {
            std::fs::write(folder.0.path().join(name), text).expect("written");
        }
        folder
    }

    fn parse(&self, text: &str) -> Result<Settings, String> {
        let name = self.0.path().join("storefront.toml").display().to_string();
        let beside = format!("{}/", self.0.path().display());
        Settings::parse(text, name).map_err(|refused| refused.to_string().replace(&beside, ""))
    }

    fn read(&self, from: &str, to: &str) -> Result<Settings, String> {
        assert!(FILE.contains(from), "{from}");
        self.parse(&FILE.replacen(from, to, 1))
    }
}

#[test]
fn edge_b1_a_file_says_the_same_as_code_and_everything_that_it_leaves_out_has_a_default() {
    let folder = Folder::new();
    let named = "[{ issuer = 'https://login.example.com', subject = 'alice', name = 'customer-7' }]";
    for (from, to) in [
        ("", ""),
        ("lifetime_seconds = 60\n\n[edge.rotation]\nmax_age_seconds = 300\n", ""),
        ("generated_key = 'ES256'", "key_files = ['mint.pem']"),
        ("[edge.rotation]", "[edge.rotation]\nevery_seconds = 3600\noldest_seconds = 7200"),
        ("'pairwise'", named),
        ("lifetime", "issuer = 'https://shop.internal'\nattributes = ['roles', 'display_name']\nlifetime"),
        ("lifetime", "forwarding = true\nremember = 0\nlifetime"),
        ("outside", "issuer = 'https://partner.example'\noutside"),
    ] {
        let edge = folder.read(from, to).and_then(|settings| settings.edge().map_err(|refused| refused.to_string()));
        let mint = edge.unwrap_or_else(|refused| panic!("{to}: {refused}")).mint().clone();
        assert_eq!(mint.requesting_workload().as_str(), "storefront");
        assert_eq!(mint.trust_domains().map(crate::Audience::as_str).collect::<Vec<_>>(), ["shop.internal"]);
        assert_eq!(
            mint.issuer().map(crate::Issuer::as_str),
            to.contains("shop.internal").then_some("https://shop.internal")
        );
        assert_eq!(mint.keys().max_age().as_secs(), 300);
    }
}

#[test]
fn edge_b1_a_wrong_file_is_refused_whole_with_the_line_and_the_field() {
    let folder = Folder::new();
    let named = |rows: &str| format!("[{rows}]");
    let alice = "{ issuer = 'https://login.example.com', subject = 'alice', name = 'customer-7' }";
    let cases = [
        // What has to be there.
        ("trust_domain = 'shop.internal'\n", String::new(), "8: edge: missing field `trust_domain`"),
        ("requesting_workload = 'storefront'\n", String::new(), "8: edge: missing field `requesting_workload`"),
        ("users = 'pairwise'\n", String::new(), "8: edge: missing field `users`"),
        ("secret_file = 'edge.secret'\n", String::new(), "8: edge: missing field `secret_file`"),
        (
            "generated_key = 'ES256'\n",
            String::new(),
            "8: edge.key_files: exactly one of key_files and generated_key has to be there: what signs",
        ),
        (
            "generated_key",
            "key_files = ['mint.pem']\ngenerated_key".to_owned(),
            "13: edge.key_files: exactly one of key_files and generated_key has to be there: what signs",
        ),
        // What is no name.
        ("'shop.internal'", "''".to_owned(), "9: edge.trust_domain: audience is empty"),
        ("'storefront'\nusers", "''\nusers".to_owned(), "10: edge.requesting_workload: subject is empty"),
        ("lifetime_seconds = 60", "issuer = ''".to_owned(), "14: edge.issuer: issuer is empty"),
        // Who a user is.
        (
            "'pairwise'",
            "'everybody'".to_owned(),
            "11: edge.users: invalid value: string \"everybody\", expected \"pairwise\", or a list of users and their names",
        ),
        (
            "'pairwise'",
            "[]".to_owned(),
            "11: edge.users: invalid length 0, expected a user: without any, everybody is refused",
        ),
        (
            "'pairwise'",
            named(&alice.replace("subject", "id")),
            "11: edge.users[0].id: unknown field `id`, expected one of",
        ),
        (
            "'pairwise'",
            named(&alice.replace("customer-7", "storefront")),
            "11: edge.users[0].name: is the name of the edge",
        ),
        (
            "'pairwise'",
            named(&format!("{alice}, {}", alice.replace("customer-7", "customer-8"))),
            "11: edge.users[1]: is a user who has a name already",
        ),
        // The secret, of which nothing is said.
        ("'edge.secret'", "'no.secret'".to_owned(), "12: edge.secret_file: no.secret cannot be read: entity not found"),
        (
            "'edge.secret'",
            "'short.secret'".to_owned(),
            "12: edge.secret_file: short.secret holds less than 32 bytes: put what `openssl rand -base64 48` prints there",
        ),
        ("'edge.secret'", "'long.secret'".to_owned(), "12: edge.secret_file: long.secret is larger than 65536 bytes"),
        // The keys, and their times.
        (
            "generated_key = 'ES256'",
            "key_files = ['mint.pem', 'none.pem']".to_owned(),
            "13: edge.key_files[1]: none.pem holds no key that signs: ",
        ),
        (
            "generated_key = 'ES256'",
            "key_files = ['no.pem']".to_owned(),
            "13: edge.key_files[0]: no.pem cannot be read: entity not found",
        ),
        ("generated_key = 'ES256'", "key_files = []".to_owned(), "13: edge.key_files: names no file"),
        ("'ES256'", "'HS256'".to_owned(), "13: edge.generated_key: not a supported signature algorithm"),
        ("'ES256'", "'ES512'".to_owned(), "13: edge.generated_key: "),
        ("= 300", "= 59".to_owned(), "17: edge.rotation.max_age_seconds: is under a minute"),
        ("max_age_seconds = 300", "every_seconds = 749".to_owned(), "17: edge.rotation.every_seconds: is so short"),
        ("max_age_seconds = 300", "oldest_seconds = 86729".to_owned(), "17: edge.rotation.oldest_seconds: is before"),
        (
            "generated_key = 'ES256'\nlifetime_seconds = 60\n\n[edge.rotation]\nmax_age_seconds = 300",
            "key_files = ['mint.pem']\n[edge.rotation]\nevery_seconds = 3600".to_owned(),
            "15: edge.rotation.every_seconds: is for a key that is generated; those in files are replaced by whoever writes them",
        ),
        ("= 60", "= 9".to_owned(), "14: edge.lifetime_seconds: is not from 10 s to 300 s"),
        ("= 60", "= 301".to_owned(), "14: edge.lifetime_seconds: is not from 10 s to 300 s"),
        // What crosses.
        ("'orders:write'", "'orders write'".to_owned(), "20: edge.scope[0].outside: "),
        ("'orders:place'", "''".to_owned(), "21: edge.scope[0].inside: "),
        ("inside", "within".to_owned(), "21: edge.scope[0].within: unknown field `within`"),
        (
            "lifetime_seconds = 60",
            "attributes = ['roles', 'password']".to_owned(),
            "14: edge.attributes[1]: unknown variant `password`, expected one of `display_name`, `email`, `groups`, `roles`",
        ),
        // Whatever else.
        ("lifetime_seconds", "lifetime".to_owned(), "14: edge.lifetime: unknown field `lifetime`"),
        ("max_age_seconds", "max_age".to_owned(), "17: edge.rotation.max_age: unknown field `max_age`"),
        ("= 60", "= 60\nremember = -1".to_owned(), "15: edge.remember: invalid value: integer `-1`, expected usize"),
        (
            "edge = true",
            "edge = false".to_owned(),
            "8: edge: needs edge = true in the table inbound: whom requests from outside name",
        ),
        (
            "edge = true",
            String::new(),
            "8: edge: needs edge = true in the table inbound: whom requests from outside name",
        ),
    ];
    for (from, to, expected) in cases {
        let refused = folder.read(from, &to).map(drop).expect_err(expected);
        assert!(refused.starts_with(&format!("storefront.toml:{expected}")), "{to}: {refused}");
        assert!(!refused.contains(&SECRET[1..]), "{refused}");
    }
}

#[test]
fn edge_b1_a_service_that_makes_no_identities_refuses_a_file_that_says_so() {
    let folder = Folder::new();
    let whole = folder.read("", "").expect("good");
    assert!(whole.edge().is_ok());
    let refused = whole.edge_layer().map(drop).expect_err("nobody would make them").to_string();
    let rule = ":8: edge: is for a service that takes the edge of its settings, and this one does not";
    assert!(refused.ends_with(rule), "{refused}");
    let without = FILE.split("[edge]").next().expect("a part");
    let without = folder.parse(without).expect("good");
    assert!(without.edge_layer().is_ok());
    let refused = without.edge().map(drop).expect_err("it says nothing of one").to_string();
    assert!(refused.ends_with("storefront.toml: edge: the file has no such table"), "{refused}");
}

#[test]
fn nothing_of_the_secret_shows() {
    let settings = Folder::new().read("", "").expect("good");
    tower_identity_testkit::assert_hides(&settings, [SECRET]);
    tower_identity_testkit::assert_hides(&settings.edge().expect("there"), [SECRET]);
}

#[test]
fn the_file_of_the_document_is_a_good_one() {
    let folder = Folder::new();
    std::fs::copy(folder.0.path().join("mint.pem"), folder.0.path().join("mint.previous.pem")).expect("copied");
    let document = include_str!("../../../../docs/edge.md");
    let file = document.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).expect("it shows one").0;
    assert!(folder.parse(file).is_ok_and(|settings| settings.edge().is_ok()));
}
