use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};
use tower_identity_jose::{Algorithm, SigningKey};

use super::*;
use crate::{AssertionAudience, AssertionTyp};

/// A folder of its own for each test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("tower-identity-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        fs::create_dir(&path).expect("a new folder");
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).expect("written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn table(changes: &Value) -> Value {
    let mut table = json!({"issuer": "https://as.example", "client_id": "orders"});
    for (field, value) in changes.as_object().expect("object") {
        table[field] = value.clone();
    }
    table
}

fn read(folder: &Folder, changes: &Value) -> Result<TokenEndpoint, InvalidSetting> {
    serde_json::from_value::<ServerSettings>(table(changes)).expect("the shape").token_endpoint(&folder.0)
}

fn accepted(folder: &Folder, changes: &Value) -> String {
    format!("{:?}", read(folder, changes).expect("accepted"))
}

fn refused(folder: &Folder, changes: &Value) -> String {
    let error = read(folder, changes).expect_err("refused").to_string();
    error.replace(folder.0.to_str().expect("utf-8"), "$folder")
}

fn built(endpoint: &TokenEndpoint) -> String {
    format!("{endpoint:?}")
}

#[test]
fn a_file_and_code_build_the_same() {
    let folder = Folder::new();
    folder.write("secret", "hunter2\n");
    let basic = || ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let secret = [folder.0.join("secret")];
    let post = ClientAuth::client_secret_post_files("orders", &secret).expect("usable");
    let from_file = ClientAuth::client_secret_basic_files("orders", &secret).expect("usable");
    let issuer = "https://as.example";

    let here = json!({"client_secret": "hunter2"});
    assert_eq!(accepted(&folder, &here), built(&TokenEndpoint::discover(issuer, basic())));
    let in_a_file = json!({"client_secret_file": "secret", "token_endpoint_auth_method": "client_secret_post"});
    assert_eq!(accepted(&folder, &in_a_file), built(&TokenEndpoint::discover(issuer, post)));
    let elsewhere = json!({
        "client_secret_file": folder.0.join("secret"),
        "token_endpoint": "https://inside.example/token",
        "accepts_issuers": ["https://other.example"],
    });
    let expected =
        TokenEndpoint::at(issuer, "https://inside.example/token", from_file).accepts_issuer("https://other.example");
    assert_eq!(accepted(&folder, &elsewhere), built(&expected));
    let several = json!({
        "client_secret": "hunter2",
        "token_endpoint": ["https://eu.example/token", "https://us.example/token"],
        "line": 7,
    });
    let expected = TokenEndpoint::at(issuer, "https://eu.example/token", basic()).also_at("https://us.example/token");
    assert_eq!(accepted(&folder, &several), built(&expected.line(7)));
    let ordered = json!({"client_secret": "hunter2", "discovery": "oidc_only"});
    let expected = TokenEndpoint::discover(issuer, basic()).discovery(DiscoveryOrder::OidcOnly);
    assert_eq!(accepted(&folder, &ordered), built(&expected));
}

/// The `kid` of an assertion.
fn key_id(auth: &ClientAuth) -> Value {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let issuer = "https://as.example".parse().expect("an issuer");
    let recipient = crate::client_auth::Recipient { issuer: &issuer, token_endpoint: None };
    let http = crate::Http::new(tower_identity_refresh::system_clock()).expect("TLS can be set up");
    let proof = auth.prover(&http).expect("a key").prove(&mut form, &recipient, &http, None, &None);
    assert_eq!(proof.expect("signed").header, None);
    let form = form.finish();
    let (_, assertion) = form.rsplit_once("client_assertion=").expect("an assertion");
    let header = assertion.split('.').next().expect("a header");
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).expect("base64url");
    serde_json::from_slice::<Value>(&header).expect("JSON")["kid"].take()
}

#[test]
fn a_private_key_is_read_from_its_file_and_named_by_its_thumbprint_or_as_the_server_knows_it() {
    let folder = Folder::new();
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    folder.write("key.pem", key.to_pem().expect("pem").expose());
    let thumbprint = key.key_id().to_owned();
    let settings = |changes: &Value| serde_json::from_value::<ServerSettings>(table(changes)).expect("the shape");
    let auth = settings(&json!({"private_key_file": "key.pem"})).client_auth(&folder.0).expect("usable");
    let in_code = ClientAuth::private_key_jwt_files("orders", [folder.0.join("key.pem")]).expect("usable");
    assert_eq!((&auth, auth.fingerprint()), (&in_code, in_code.fingerprint()));
    assert_eq!(auth.method(), "private_key_jwt");
    assert_eq!(key_id(&auth), thumbprint);
    let named = settings(&json!({"private_key_file": "key.pem", "key_id": "2026-11"}));
    assert_eq!(key_id(&named.client_auth(&folder.0).expect("usable")), "2026-11");
    assert_eq!(refused(&folder, &json!({"private_key_file": "key.pem", "key_id": ""})), "key_id: is empty");
}

#[test]
fn exactly_one_credential_is_there() {
    let folder = Folder::new();
    folder.write("secret", "hunter2");
    let rule = "client_secret: exactly one of client_secret, client_secret_file, private_key_file, \
                client_assertion_file, client_certificate and bearer has to be there";
    for wrong in [
        json!({}),
        json!({"client_secret": "hunter2", "client_secret_file": "secret"}),
        json!({"client_secret": "hunter2", "private_key_file": "secret"}),
        json!({"client_secret_file": "secret", "private_key_file": "secret"}),
        json!({"client_assertion_file": "secret", "private_key_file": "secret"}),
    ] {
        assert_eq!(refused(&folder, &wrong), rule, "{wrong}");
    }
    let control = TokenEndpoint::discover(
        "https://as.example",
        ClientAuth::client_secret_basic_files("orders", [folder.0.join("secret")]).expect("usable"),
    );
    assert_eq!(accepted(&folder, &json!({"client_secret_file": "secret"})), built(&control));
}

#[test]
fn errors_name_the_field_and_the_path_and_never_the_content() {
    let folder = Folder::new();
    folder.write("empty", "\n");
    folder.write("binary", b"hunter2\xff");
    folder.write("large", "hunter2".repeat(10_000));
    let pipe = folder.0.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().expect("it runs").success());
    folder.write("not-a-key", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n");
    let cases = [
        (json!({"client_secret_file": "missing"}), "client_secret_file: cannot read $folder/missing: "),
        (json!({"client_secret_file": "."}), "client_secret_file: cannot read $folder/.: is a directory"),
        (json!({"client_secret_file": "pipe"}), "client_secret_file: cannot read $folder/pipe: it is no regular file"),
        (json!({"private_key_file": "pipe"}), "private_key_file: cannot read $folder/pipe: it is no regular file"),
        (json!({"client_secret_file": "empty"}), "client_secret_file: $folder/empty is empty"),
        (json!({"client_secret_file": "binary"}), "client_secret_file: cannot read $folder/binary: "),
        (json!({"client_secret_file": "large"}), "client_secret_file: $folder/large is larger than 65536 bytes"),
        (json!({"private_key_file": "missing"}), "private_key_file: cannot read $folder/missing: "),
        (json!({"private_key_file": "not-a-key"}), "private_key_file: $folder/not-a-key: "),
    ];
    for (wrong, expected) in cases {
        let error = refused(&folder, &wrong);
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn fields_that_do_not_go_together_and_values_that_break_a_rule_are_named() {
    let folder = Folder::new();
    folder.write("secret", "hunter2");
    let cases = [
        (
            json!({"client_secret": "hunter2", "token_endpoint": "https://as.example", "discovery": "oidc_only"}),
            "discovery: goes without token_endpoint: metadata is not read",
        ),
        (
            json!({"client_secret": "hunter2", "token_endpoint_auth_method": "private_key_jwt"}),
            "token_endpoint_auth_method: private_key_jwt needs a private_key_file",
        ),
        (
            json!({"private_key_file": "secret", "token_endpoint_auth_method": "client_secret_basic"}),
            "token_endpoint_auth_method: a private_key_file is for private_key_jwt",
        ),
        (json!({"client_secret": "hunter2", "key_id": "1"}), "key_id: goes with private_key_file only"),
        (json!({"client_secret": ""}), "client_secret: is empty"),
        (json!({"client_secret": "hunter2", "client_id": ""}), "client_id: client id is empty"),
        (json!({"client_secret": "hunter2", "issuer": ""}), "issuer: issuer is empty"),
        (
            json!({"client_secret": "hunter2", "issuer": "http://as.example"}),
            r#"issuer: "http://as.example" is neither https nor http on a loopback address"#,
        ),
        (
            json!({"client_secret": "hunter2", "token_endpoint": "http://as.example/token"}),
            "token_endpoint: is neither https nor http on a loopback address",
        ),
        (json!({"client_secret": "hunter2", "token_endpoint": []}), "token_endpoint: is an empty list"),
        (
            json!({"client_secret": "hunter2", "token_endpoint": ["https://a.example", "http://b.example"]}),
            "token_endpoint[1]: is neither https nor http on a loopback address",
        ),
        (json!({"client_secret": "hunter2", "line": 65_537}), "line: is more than 65536"),
        (
            json!({"client_secret": "hunter2", "token_endpoint_auth_method": "client_secret_post", "basic_encoding": "none"}),
            "basic_encoding: goes with client_secret_basic only",
        ),
        (
            json!({"client_secret": "hunter2", "client_id": "a:b", "basic_encoding": "none"}),
            "basic_encoding: is none, and the client_id has a colon, which ends it there",
        ),
        (json!({"client_secret": "hunter2", "assertion": {"typ": "JWT"}}), "assertion: goes with private_key_jwt only"),
        (
            json!({"client_secret": "hunter2", "parameters": {"grant_type": "password"}}),
            "parameters.grant_type: is written by the protocol; say it where the protocol's settings are",
        ),
        (
            json!({"client_secret": "hunter2", "accepts_issuers": ["https://a.example", " "]}),
            "accepts_issuers[1]: issuer is empty",
        ),
    ];
    for (wrong, expected) in cases {
        assert_eq!(refused(&folder, &wrong), expected);
    }
}

#[test]
fn how_a_server_wants_it_is_said_in_the_file_as_in_code() {
    let folder = Folder::new();
    let key = SigningKey::generate(Algorithm::Es256).expect("key");
    folder.write("key.pem", key.to_pem().expect("pem").expose());
    let (issuer, url) = ("https://as.example", "https://as.example/token");

    let basic = ClientAuth::client_secret_basic("orders", "hunter2").expect("usable");
    let as_it_is = basic.clone().basic_encoding(BasicEncoding::None).expect("basic");
    let read_as = |changes: &Value| read(&folder, changes).expect("accepted");
    assert_eq!(
        read_as(&json!({"client_secret": "hunter2", "basic_encoding": "none"})),
        TokenEndpoint::discover(issuer, as_it_is)
    );
    assert_eq!(
        read_as(&json!({"client_secret": "hunter2", "basic_encoding": "form"})),
        TokenEndpoint::discover(issuer, basic.clone())
    );
    let parameters = Parameters::new([("realm", "shop")]).expect("usable");
    assert_eq!(
        read_as(&json!({"client_secret": "hunter2", "parameters": {"realm": "shop"}})),
        TokenEndpoint::discover(issuer, basic).parameters(parameters)
    );
    for (audience, said) in [
        (AssertionAudience::TokenEndpoint, "token_endpoint"),
        (AssertionAudience::Other("https://as.example/".to_owned()), "https://as.example/"),
        (AssertionAudience::Issuer, "issuer"),
    ] {
        let style = AssertionStyle::new().audience(audience).typ(AssertionTyp::Jwt).algorithm(Algorithm::Es256);
        let auth = ClientAuth::private_key_jwt_files("orders", [folder.0.join("key.pem")]).expect("usable");
        let auth = auth.assertion(style).expect("usable");
        let file = json!({
            "private_key_file": "key.pem",
            "token_endpoint": url,
            "assertion": {"audience": said, "typ": "JWT", "alg": "ES256"},
        });
        assert_eq!(read_as(&file), TokenEndpoint::at(issuer, url, auth));
    }
    let assertion = |style: Value| json!({"private_key_file": "key.pem", "token_endpoint": url, "assertion": style});
    for (style, rule) in [
        (json!({"alg": "PS256"}), "private_key_file: $folder/key.pem: assertion.alg: the key is not for PS256"),
        (json!({"audience": " "}), "assertion.audience: is empty"),
        (
            json!({"certificate": true}),
            "private_key_file: $folder/key.pem: assertion.certificate: is demanded, and the key came without one; put it \
             into the key's file, beside the key",
        ),
    ] {
        assert_eq!(refused(&folder, &assertion(style)), rule);
    }
}

#[test]
fn several_files_and_assertions_of_others_are_said_in_the_file_as_in_code() {
    let folder = Folder::new();
    folder.write("new", "hunter2");
    folder.write("old", "hunter1");
    folder.write("empty", "");
    let discovered =
        |auth: Result<ClientAuth, InvalidSetting>| TokenEndpoint::discover("https://as.example", auth.expect("usable"));
    let paths = |names: &[&str]| names.iter().map(|name| folder.0.join(name)).collect::<Vec<_>>();
    assert_eq!(
        read(&folder, &json!({"client_secret_file": ["new", "old"]})).expect("accepted"),
        discovered(ClientAuth::client_secret_basic_files("orders", paths(&["new", "old"])))
    );
    // One of several may come later.
    for list in [["new", "missing"], ["missing", "new"], ["new", "empty"]] {
        read(&folder, &json!({"client_secret_file": list})).expect("accepted");
    }
    for (wrong, rule) in [
        (json!({"client_secret_file": []}), "client_secret_file: is an empty list"),
        (json!({"client_secret_file": ["new", "new"]}), "client_secret_file[1]: is listed twice"),
        (json!({"client_secret_file": ["1", "2", "3", "4", "5"]}), "client_secret_file: has more than 4 files"),
        (json!({"client_secret_file": ["empty", "missing"]}), "client_secret_file[0]: $folder/empty is empty"),
        (
            json!({"private_key_file": ["new", "old"]}),
            "private_key_file[0]: $folder/new: not an unencrypted PKCS#8 private key in PEM",
        ),
        (
            json!({"private_key_file": ["new", "old"], "key_id": "1"}),
            "key_id: goes with one private_key_file; of several, each is named by its thumbprint",
        ),
        (json!({"client_assertion_file": "new"}), "client_assertion_file: $folder/new: holds no JWT with aud and exp"),
        (
            json!({"client_assertion_file": "later", "assertion": {"typ": "JWT"}}),
            "assertion.typ: is of assertions that we sign; somebody else signs those in client_assertion_file",
        ),
        (
            json!({"client_assertion_file": "later", "token_endpoint_auth_method": "client_secret_basic"}),
            "token_endpoint_auth_method: a client_assertion_file is for private_key_jwt or spiffe_jwt",
        ),
        (
            json!({"client_secret": "hunter2", "token_endpoint_auth_method": "spiffe_jwt"}),
            "token_endpoint_auth_method: spiffe_jwt needs a client_assertion_file",
        ),
    ] {
        assert_eq!(refused(&folder, &wrong), rule);
    }
    let later = folder.0.join("later");
    assert_eq!(
        read(&folder, &json!({"client_assertion_file": "later"})).expect("it need not be there yet"),
        discovered(ClientAuth::assertion_file("orders", &later))
    );
    let svid = json!({"client_assertion_file": "later", "token_endpoint_auth_method": "spiffe_jwt"});
    let svid = read(&folder, &svid).expect("accepted");
    assert_eq!(svid, discovered(ClientAuth::jwt_svid_file("orders", &later)));
    assert_ne!(svid, discovered(ClientAuth::assertion_file("orders", &later)));
}

#[test]
fn a_bearer_token_of_another_server_is_said_in_the_file_as_in_code() {
    let folder = Folder::new();
    let other = json!({"issuer": "https://tokens.example", "client_id": "orders-1", "client_secret": "hunter2"});
    let bearer = |more: &Value| {
        let mut bearer = json!({"server": other, "scope": "as:clients"});
        bearer.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        json!({ "bearer": bearer })
    };
    let from = || {
        let auth = ClientAuth::client_secret_basic("orders-1", "hunter2").expect("usable");
        TokenEndpoint::discover("https://tokens.example", auth)
    };
    let scopes = tower_identity_core::Scopes::parse("as:clients").expect("scopes");
    let target = crate::TargetService { scopes, ..crate::TargetService::default() };
    let in_code = ClientAuth::bearer("orders", from(), target.clone()).expect("usable");
    let read_as = read(&folder, &bearer(&json!({}))).expect("accepted");
    assert_eq!(read_as, TokenEndpoint::discover("https://as.example", in_code.clone()));
    assert!(!format!("{read_as:?}").contains("hunter2"));

    let audience = Some("as".parse().expect("an audience"));
    let others = [
        ClientAuth::bearer("orders", from().accepts_issuer("https://x.example"), target.clone()),
        ClientAuth::bearer("orders", from().also_at("https://x.example/token"), target.clone()),
        ClientAuth::bearer("orders", from(), crate::TargetService { audience, ..target.clone() }),
        ClientAuth::bearer("payments", from(), target),
    ];
    for (at, other) in others.into_iter().map(|other| other.expect("usable")).enumerate() {
        assert_ne!(other, in_code);
        assert_eq!(
            other.fingerprint() == in_code.fingerprint(),
            at == 0,
            "{at}: whose subjects it takes makes no other"
        );
    }
    let mut beside = bearer(&json!({}));
    beside["client_secret"] = "hunter2".into();
    for (wrong, rule) in [
        (beside, "client_secret: goes without bearer: who we are is proved in one way"),
        (bearer(&json!({"audience": ""})), "bearer.audience: audience is empty"),
        (bearer(&json!({"resource": "x"})), "bearer.resource: a resource is an absolute URI without fragment"),
        (
            bearer(&json!({"server": {"issuer": "", "client_id": "a", "client_secret": "b"}})),
            "bearer.server.issuer: issuer is empty",
        ),
    ] {
        assert_eq!(refused(&folder, &wrong), rule);
    }
}

#[test]
fn unknown_fields_are_refused_and_nothing_secret_prints() {
    let misspelt = table(&json!({"client_secrets": "hunter2"}));
    let error = serde_json::from_value::<ServerSettings>(misspelt).expect_err("unknown field").to_string();
    assert!(error.starts_with("unknown field `client_secrets`"), "{error}");
    let settings: ServerSettings =
        serde_json::from_value(table(&json!({"client_secret": "hunter2", "default": true}))).expect("the shape");
    assert!(settings.is_default());
    assert!(!format!("{settings:?}").contains("hunter2"));
}
