//! An authority that listens, a clock that stands still, and the keys of everybody.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, LazyLock},
    time::Duration,
};

use demo_authority::{Authority, app};
use reqwest::{StatusCode, header::HeaderMap};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tower_identity::{Clock, InvalidSetting, SecretToken};
use tower_identity_jose::{Accept, Algorithm, KeySet, Limits, MediaType, SigningKey, Unverified, random_id};
use tower_identity_testkit::ManualClock;

pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Has every character that form-encoding changes, and the one that Basic splits at.
pub(crate) const STOREFRONT_SECRET: &str = "st: 100% öre + \"more\"";
pub(crate) const ORDERS_SECRET: &str = "orders-secret-of-the-test";

/// The authority's own key: read by it from a file, known to the tests, which sign with it what it never would.
pub(crate) static AUTHORITY_KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let pem = key.to_pem().expect("a PEM");
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("authority.pem"), pem.expose()).expect("written");
    key
});

/// The private key of the client `ledger`, which has no secret.
pub(crate) static LEDGER_KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256).expect("a key"));

/// The private key of the client `archive`: RSA, of these tests alone.
pub(crate) static ARCHIVE_KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_pem(include_str!("archive.pem")).expect("a key"));

/// The settings that the tests start from.
pub(crate) fn settings(issuer: &str) -> Value {
    LazyLock::force(&AUTHORITY_KEY);
    json!({
        "issuer": issuer,
        "signing_key_file": "authority.pem",
        "users": ["alice", "bob"],
        "sign_in": { "client": "storefront-web", "audience": "storefront", "scopes": ["orders:read", "orders:write"] },
        "client": [
            { "id": "storefront", "audience": ["storefront"], "client_secret": STOREFRONT_SECRET },
            { "id": "orders", "audience": ["orders", "https://orders.example/"], "client_secret": ORDERS_SECRET },
            { "id": "payments", "client_secret": "payments-secret-of-the-test",
              "audience": ["payments", "https://payments.example/", "https://payments.example/#a"] },
            { "id": "ledger", "audience": ["ledger"], "keys": [LEDGER_KEY.public_jwk()] },
            { "id": "archive", "keys": [ARCHIVE_KEY.public_jwk()] },
        ],
        "policy": [
            { "client": "storefront", "from": "storefront", "to": "orders",
              "scopes": { "orders:read": ["orders:read"], "orders:write": ["orders:write"] } },
            { "client": "orders", "from": "orders", "to": "payments",
              "scopes": { "orders:write": ["payments:charge"], "orders:read": ["payments:read"] } },
            { "client": "orders", "from": "orders", "to": "https://payments.example/",
              "scopes": { "orders:write": ["payments:charge"] } },
            { "client": "orders", "from": "orders", "to": "https://payments.example/#a",
              "scopes": { "orders:write": ["payments:charge"] } },
            { "client": "orders", "from": "orders", "to": "orders",
              "scopes": { "orders:read": ["orders:read", "orders:write"] } },
        ],
        "client_credentials": [
            { "client": "orders", "to": "payments", "scopes": ["payments:settle", "payments:read"] },
            { "client": "ledger", "to": "payments", "scopes": ["payments:read"] },
            { "client": "ledger", "to": "orders", "scopes": ["orders:read"] },
            { "client": "archive", "to": "payments", "scopes": ["payments:read"] },
        ],
    })
}

pub(crate) fn authority(settings: Value, clock: Clock) -> Result<Authority, InvalidSetting> {
    let settings = serde_json::from_value(settings).expect("settings of the right shape");
    Authority::new(settings, Path::new(env!("CARGO_TARGET_TMPDIR")), clock)
}

/// A running authority.
pub(crate) struct Running {
    pub(crate) issuer: String,
    pub(crate) clock: ManualClock,
    pub(crate) http: reqwest::Client,
}

/// How a client authenticates.
#[derive(Clone, Copy)]
pub(crate) enum As<'a> {
    Nobody,
    /// `client_secret_basic`, as it has to be: form-encoded, then base64.
    Basic(&'a str, &'a str),
    /// `client_secret_basic` without the form-encoding.
    RawBasic(&'a str, &'a str),
    Assertion(&'a str),
}

pub(crate) const STOREFRONT: As<'_> = As::Basic("storefront", STOREFRONT_SECRET);
pub(crate) const ORDERS: As<'_> = As::Basic("orders", ORDERS_SECRET);

/// The parameters of a request.
pub(crate) type Form<'a> = &'a [(&'a str, &'a str)];

/// A status and an error code, `none` where there is none.
pub(crate) type Outcome = (u16, String);

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// With these settings changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), change)
    }

    /// The same at this address. Call it within a runtime.
    pub(crate) fn at(listener: TcpListener, change: impl FnOnce(&mut Value)) -> Self {
        let address = listener.local_addr().expect("bound");
        let issuer = format!("http://{address}");
        let clock = ManualClock::new();
        let mut settings = settings(&issuer);
        change(&mut settings);
        let authority = authority(settings, clock.clock()).expect("good settings");
        let app = app(Arc::new(authority), address).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { issuer, clock, http }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.clock().wall().as_secs()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::read(self.http.get(format!("{}{path}", self.issuer))).await
    }

    /// A request to the token endpoint.
    pub(crate) async fn token(&self, client: As<'_>, form: Form<'_>) -> Answer {
        self.post_form("/token", client, form).await
    }

    /// A question about a token.
    pub(crate) async fn introspect(&self, client: As<'_>, token: &str) -> Answer {
        self.post_form("/introspect", client, &[("token", token)]).await
    }

    /// The end of a session, asked for with these headers.
    pub(crate) async fn sign_out(&self, headers: &[(&str, &str)]) -> Answer {
        let request = self.http.post(format!("{}/dev/sign-out", self.issuer));
        Answer::read(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    /// A form, posted by a client that authenticates.
    pub(crate) async fn post_form(&self, path: &str, client: As<'_>, form: Form<'_>) -> Answer {
        let mut body = form_urlencoded(form);
        let mut request = self.http.post(format!("{}{path}", self.issuer));
        match client {
            As::Nobody => {}
            As::Basic(id, secret) => {
                let encode = |text: &str| form_urlencoded(&[(text, "")]).trim_end_matches('=').to_owned();
                request = request.basic_auth(encode(id), Some(encode(secret)));
            }
            As::RawBasic(id, secret) => request = request.basic_auth(id, Some(secret)),
            As::Assertion(assertion) => {
                let assertion =
                    form_urlencoded(&[("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)]);
                body = format!("{body}&{assertion}");
            }
        }
        Answer::read(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    }

    /// An exchange of an access token.
    pub(crate) async fn exchange(&self, client: As<'_>, subject: &str, more: Form<'_>) -> Answer {
        let mut form =
            vec![("grant_type", TOKEN_EXCHANGE), ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)];
        form.extend_from_slice(more);
        self.token(client, &form).await
    }

    pub(crate) async fn sign_in(&self, user: &str) -> String {
        let url = format!("{}/dev/sign-in", self.issuer);
        Answer::read(self.http.post(url).json(&json!({ "user": user }))).await.token()
    }

    /// The claims that a good token of alice for orders has.
    pub(crate) fn orders_claims(&self) -> Map<String, Value> {
        let claims = json!({
            "iss": self.issuer, "sub": "alice", "aud": "orders", "client_id": "storefront", "jti": "1",
            "iat": self.now(), "exp": self.now() + 120, "scope": "orders:read orders:write",
            "act": { "iss": self.issuer, "sub": "storefront" },
        });
        claims.as_object().expect("an object").clone()
    }

    /// Signs a good token of alice for orders, with these claims changed; `null` leaves one out.
    pub(crate) fn orders_token(&self, changes: Value) -> String {
        self.orders_token_as(&MediaType::ACCESS_TOKEN, changes)
    }

    /// The same, of another type.
    pub(crate) fn orders_token_as(&self, typ: &MediaType, changes: Value) -> String {
        sign(&AUTHORITY_KEY, typ, &changed(self.orders_claims(), changes))
    }

    /// Signs with the authority's key what is not an access token.
    pub(crate) fn orders_token_of_type(&self, typ: &str) -> String {
        sign(&AUTHORITY_KEY, &MediaType::parse(typ).expect("a type"), &self.orders_claims())
    }

    /// A token's claims, verified with the published keys.
    pub(crate) async fn claims(&self, token: &str) -> Value {
        self.claims_of(&MediaType::ACCESS_TOKEN, token).await
    }

    /// The same of a token of another type.
    pub(crate) async fn claims_of(&self, typ: &MediaType, token: &str) -> Value {
        let keys = self.http.get(format!("{}/jwks", self.issuer)).send().await.expect("sent");
        let keys = KeySet::parse(&keys.bytes().await.expect("read")).expect("keys");
        let accept = Accept::new([typ.clone()], [Algorithm::Es256]);
        let opened = Unverified::<Value>::parse(token, &Limits::default()).expect("a token").open(&keys, &accept);
        opened.expect("signed by the authority").into_claims()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

impl Answer {
    pub(crate) async fn read(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("answered");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.expect("read");
        Self { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        (self.status.as_u16(), self.body["error"].as_str().unwrap_or("none").to_owned())
    }

    pub(crate) fn token(&self) -> String {
        assert_eq!(self.outcome(), accepted(), "{}", self.body);
        self.body["access_token"].as_str().expect("a token").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

/// An assertion by which the client `ledger` authenticates.
pub(crate) fn ledger_assertion(authority: &Running) -> String {
    let claims = json!({
        "iss": "ledger", "sub": "ledger", "aud": authority.issuer, "jti": random_id(), "exp": authority.now() + 60,
    });
    sign(&LEDGER_KEY, &MediaType::CLIENT_AUTHENTICATION, claims.as_object().expect("an object"))
}

pub(crate) fn accepted() -> Outcome {
    (200, "none".to_owned())
}

/// 400 with this error code.
pub(crate) fn refused(code: &str) -> Outcome {
    (400, code.to_owned())
}

/// Sets members, or removes those that are `null`.
pub(crate) fn changed(mut claims: Map<String, Value>, changes: Value) -> Map<String, Value> {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        if value.is_null() {
            claims.remove(&name);
        } else {
            claims.insert(name, value);
        }
    }
    claims
}

pub(crate) fn sign(key: &SigningKey, typ: &MediaType, claims: &Map<String, Value>) -> String {
    let token: SecretToken = key.sign(typ, claims).expect("signed");
    token.expose().to_owned()
}

fn form_urlencoded(form: Form<'_>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}
