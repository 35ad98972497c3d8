//! Where credentials are read from, and what of them goes on.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header::COOKIE};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_identity_core::{InvalidSetting, RefusalKind};
use tower_identity_inbound::{
    AuthLayer, Presented, RequireLayer, Rule, Source, Sources,
    rule::{callers, no_user, scope},
};
use tower_identity_testkit::TestIssuer;

use crate::support::{Found, OF_THE_MESSAGE, found, issuer_token, refused, request, through, value, warm};

const LONGEST: usize = 20;

fn cookie(name: &str) -> Source {
    Source::cookie(name).expect("a cookie")
}

fn header(name: &str) -> Source {
    Source::header(name).expect("a header")
}

type Fields<'a> = &'a [(&'static str, &'a str)];

fn headers(fields: Fields<'_>) -> HeaderMap {
    let field = |(name, text): &(&'static str, &str)| (HeaderName::from_static(name), value(text));
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        headers.append(name, value);
    }
    headers
}

/// What a request presents, as a value that tests can compare.
#[derive(Debug, PartialEq)]
enum Read {
    Absent,
    Refused(RefusalKind, &'static str),
    Bearer { caller: String, user: Option<String>, by_cookie: bool },
}

fn read(sources: &Sources, fields: Fields<'_>) -> Read {
    read_at(sources, fields, "/")
}

fn read_at(sources: &Sources, fields: Fields<'_>, uri: &'static str) -> Read {
    match Presented::read(sources, &headers(fields), &Uri::from_static(uri), LONGEST) {
        Presented::Absent => Read::Absent,
        Presented::Malformed(refusal) => Read::Refused(refusal.kind().clone(), refusal.check()),
        Presented::Transaction(_) => panic!("that field is none of the sources"),
        Presented::Credentials(credentials) => Read::Bearer {
            caller: credentials.caller().to_owned(),
            user: credentials.user().map(str::to_owned),
            by_cookie: credentials.by_cookie(),
        },
    }
}

fn bearer(caller: &str) -> Read {
    Read::Bearer { caller: caller.to_owned(), user: None, by_cookie: false }
}

fn by_cookie(caller: &str) -> Read {
    Read::Bearer { caller: caller.to_owned(), user: None, by_cookie: true }
}

fn malformed(check: &'static str) -> Read {
    Read::Refused(RefusalKind::MalformedRequest, check)
}

#[test]
fn cred_a1_one_of_the_sources_presents_a_credential_and_two_are_refused() {
    let all = [Source::authorization(), cookie("session"), header("x-token")];
    let sources = Sources::of(all).expect("valid");
    let (authorization, session, token) = (("authorization", "Bearer a"), ("cookie", "session=b"), ("x-token", "c"));
    let cases: [(Fields<'_>, Read); 12] = [
        (&[], Read::Absent),
        (&[authorization], bearer("a")),
        (&[session], by_cookie("b")),
        (&[token], bearer("c")),
        (&[authorization, session], malformed("sources")),
        (&[session, token], malformed("sources")),
        (&[token, authorization], malformed("sources")),
        (&[authorization, session, token], malformed("sources")),
        // What stands beside a good one counts, whatever it is.
        (&[("authorization", "Basic abc"), session], malformed("sources")),
        (&[authorization, ("cookie", "session=")], malformed("sources")),
        (&[authorization, ("x-token", "")], malformed("sources")),
        // The control: another cookie and another field are none.
        (&[authorization, ("cookie", "sessions=b"), ("x-tokens", "c")], bearer("a")),
    ];
    for (fields, expected) in cases {
        assert_eq!(read(&sources, fields), expected, "{fields:?}");
    }
}

#[test]
fn cred_a1_only_the_sources_are_read() {
    let fields = [("authorization", "Bearer a"), ("cookie", "session=b"), ("x-token", "c")];
    let of = |source| Sources::of([source]).expect("valid");
    assert_eq!(read(&of(Source::authorization()), &fields), bearer("a"));
    assert_eq!(read(&of(cookie("session")), &fields), by_cookie("b"));
    assert_eq!(read(&of(header("x-token")), &fields), bearer("c"));
    assert_eq!(read(&of(header("x-other")), &fields), Read::Absent);
}

#[test]
fn cred_a1_what_is_malformed_is_never_absent() {
    let long = "a".repeat(LONGEST + 1);
    for name in ["cookie", "x-token"] {
        let sources = Sources::of([if name == "cookie" { cookie("session") } else { header(name) }]).expect("valid");
        let read = |text: &str| {
            let field = if name == "cookie" { format!("session={text}") } else { text.to_owned() };
            read(&sources, &[(name, &field)])
        };
        for text in ["", "a,b", "\"a\"", "a=b", "=="] {
            assert_eq!(read(text), malformed("token68"), "{name} {text:?}");
        }
        assert_eq!(read(&long), malformed("length"), "{name}");
        assert_ne!(read(&long[1..]), malformed("length"), "{name}");
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(b"session=\xff").expect("a header value"));
        let presented = Presented::read(&sources, &headers, &Uri::from_static("/"), LONGEST);
        let check = if name == "cookie" { "cookie" } else { "header" };
        assert!(matches!(presented, Presented::Malformed(refusal) if refusal.check() == check), "{name}");
    }
}

#[test]
fn cred_a2_a_planted_cookie_is_refused_with_its_namesake_and_not_alone() {
    let sources = Sources::of([cookie("__Host-session")]).expect("valid");
    let twice: [Fields<'_>; 4] = [
        &[("cookie", "__Host-session=a; __Host-session=b")],
        &[("cookie", "__Host-session=a"), ("cookie", "__Host-session=a")],
        &[("cookie", "__Host-session=a; x=1;__Host-session")],
        &[("cookie", "__Host-session =a; __Host-session=b")],
    ];
    for fields in twice {
        assert_eq!(read(&sources, fields), malformed("cookie"), "{fields:?}");
    }
    for one in ["__Host-session=a", "__Host-sessions=b; __Host-session=a; __host-session=c"] {
        assert_eq!(read(&sources, &[("cookie", one)]), by_cookie("a"), "{one}");
    }
    assert_eq!(read(&sources, &[("cookie", "__Host-session=Bearer a")]), malformed("token68"));
}

#[test]
fn cred_a3_a_field_of_its_own_holds_the_token_with_its_scheme_or_without() {
    let sources = Sources::of([header("x-token")]).expect("valid");
    let cases = [
        ("abc", bearer("abc")),
        ("Bearer abc", bearer("abc")),
        ("bearer  abc", bearer("abc")),
        ("Bearer", malformed("token68")),
        ("BEARER", malformed("token68")),
        ("Bearer abc def", malformed("token68")),
        ("Bearers", bearer("Bearers")),
        ("Basic abc", Read::Refused(RefusalKind::NoCredential, "scheme")),
        ("Basic abc, Bearer abc", malformed("authorization")),
        ("", malformed("token68")),
    ];
    for (text, expected) in cases {
        assert_eq!(read(&sources, &[("x-token", text)]), expected, "{text:?}");
    }
    assert_eq!(read(&sources, &[("x-token", "a"), ("x-token", "a")]), malformed("header"));
    // Another spelling is another field.
    assert_eq!(read(&sources, &[("x_token", "a")]), Read::Absent);
}

#[test]
fn rfc6750_a5_a_token_in_the_query_is_refused_beside_every_source() {
    let sources = Sources::of([cookie("session")]).and_then(|it| it.with_user(header("x-user-token"))).expect("valid");
    let session = ("cookie", "session=a");
    assert_eq!(read_at(&sources, &[session], "/?access_token=x"), malformed("query"));
    assert_eq!(read_at(&sources, &[("x-user-token", "a")], "/?access_token=x"), malformed("query"));
    assert_eq!(read_at(&sources, &[session], "/?token=x"), by_cookie("a"));
    assert_eq!(read_at(&sources, &[], "/?access_token=x"), Read::Absent);
}

#[test]
fn cred_a5_the_users_own_credential_stands_beside_the_callers_and_never_alone() {
    let sources = Sources::default().with_user(header("x-user-token")).expect("valid");
    let (caller, user) = (("authorization", "Bearer a"), ("x-user-token", "b"));
    let pair = |by_cookie| Read::Bearer { caller: "a".to_owned(), user: Some("b".to_owned()), by_cookie };
    assert_eq!(read(&sources, &[caller, user]), pair(false));
    assert_eq!(read(&sources, &[caller]), bearer("a"));
    assert_eq!(read(&sources, &[]), Read::Absent);
    assert_eq!(read(&sources, &[user]), Read::Refused(RefusalKind::NoCredential, "caller"));
    assert_eq!(read(&sources, &[caller, ("x-user-token", "")]), malformed("token68"));
    assert_eq!(read(&sources, &[caller, user, user]), malformed("header"));

    let by_session = Sources::default().with_user(cookie("session")).expect("valid");
    assert_eq!(read(&by_session, &[caller, ("cookie", "session=b")]), pair(true));
}

#[test]
fn cred_a3_sources_that_mean_something_else_are_refused_when_they_are_named() {
    let refused = |source: Result<Source, InvalidSetting>| source.expect_err("refused").to_string();
    let other = "header: has another meaning, and is no place for a credential";
    let taken = OF_THE_MESSAGE.split_whitespace().filter(|name| *name != "authorization");
    for name in taken.chain(["Host", "content-length", "sec-fetch-site", "accept"]) {
        assert_eq!(refused(Source::header(name)), other, "{name}");
    }
    assert_eq!(refused(Source::header("Authorization")), "header: is the source `authorization`");
    assert_eq!(refused(Source::header("x_token")), "header: is written with _, which gateways take for - or drop");
    for name in ["", "x token", "x:token", "é"] {
        assert_eq!(refused(Source::header(name)), "header: is no name of a header field", "{name}");
        let rule = "cookie: is empty or has a character that no cookie's name has";
        assert_eq!(refused(Source::cookie(name)), rule, "{name}");
    }
    for name in ["session=", "a;b", "a b"] {
        assert!(Source::cookie(name).is_err(), "{name}");
    }
    for name in ["x-token", "X-Forwarded-Access-Token", "cf-access-jwt-assertion"] {
        assert!(Source::header(name).is_ok(), "{name}");
    }
    assert!(Source::cookie("__Secure-id_token").is_ok());
}

#[test]
fn cred_a3_a_source_in_a_file_is_held_to_the_same() {
    let read = |text: &str| serde_json::from_str::<Source>(text).map_err(|error| error.to_string());
    assert_eq!(read(r#""authorization""#), Ok(Source::authorization()));
    assert_eq!(read(r#"{ "cookie": "__Host-session" }"#), Ok(cookie("__Host-session")));
    assert_eq!(read(r#"{ "header": "x-token" }"#), Ok(header("x-token")));
    let refused = |text: &str| read(text).expect_err(text);
    assert_eq!(refused(r#"{ "cookie": "a;b" }"#), "cookie: is empty or has a character that no cookie's name has");
    let rule = "header: is written with _, which gateways take for - or drop";
    assert_eq!(refused(r#"{ "header": "x_token" }"#), rule);
}

#[test]
fn cred_a1_a_list_of_sources_names_each_once() {
    let refused = |sources: Result<Sources, InvalidSetting>| sources.map(drop).expect_err("refused").to_string();
    assert_eq!(refused(Sources::of([])), "sources: names no source");
    assert_eq!(refused(Sources::of([cookie("a"), header("x-a"), cookie("a")])), "sources[2]: is named twice");
    let both = "user_source: is a source of the caller's credential too";
    assert_eq!(refused(Sources::default().with_user(Source::authorization())), both);
    assert_eq!(refused(Sources::of([cookie("a"), header("x-a")]).and_then(|all| all.with_user(header("x-a")))), both);
    assert!(Sources::of([cookie("a"), cookie("b"), header("a")]).is_ok());
}

#[tokio::test]
async fn cred_a4_what_carried_the_credential_does_not_go_on_and_the_rest_does() {
    let issuer = TestIssuer::start();
    let sources = [Source::authorization(), cookie("__Host-session"), header("x-token")];
    let layer = warm(&issuer).await.sources(sources).expect("valid");
    let token = issuer_token(&issuer).build();
    let token = token.expose();
    let (bearer, session) = (format!("Bearer {token}"), format!("theme=dark; __Host-session={token}; lang=en"));
    let alone = format!("__Host-session={token}");
    let others = [("accept", "*/*"), ("x-tokens", "of another kind")];
    let cases: [(&'static str, &str, Fields<'_>); 5] = [
        ("authorization", &bearer, &[]),
        ("x-token", token, &[]),
        ("x-token", &bearer, &[]),
        ("cookie", &session, &[("cookie", "theme=dark; lang=en")]),
        ("cookie", &alone, &[]),
    ];
    for (name, text, left) in cases {
        let mut request = request([]);
        *request.headers_mut() = headers(&[&others[..], &[(name, text)]].concat());
        let response = through(&layer, request).await;
        let alice = Some("alice".to_owned());
        let headers = headers(&[&others[..], left].concat());
        assert_eq!(found(&response), Some(Found { user: alice.clone(), ambient: alice, headers }), "{name}");
    }
}

#[tokio::test]
async fn cred_a4_an_authorization_that_is_no_source_is_no_credential_and_goes_nowhere() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await.sources([cookie("session")]).expect("valid");
    let send = async |fields: Fields<'_>| {
        let mut request = request([]);
        *request.headers_mut() = headers(fields);
        through(&layer, request).await
    };
    let token = issuer_token(&issuer).build();
    let session = format!("session={}", token.expose());
    let response = send(&[("authorization", "Basic abc"), ("cookie", &session)]).await;
    assert_eq!(found(&response).expect("let through").headers, HeaderMap::new());

    let bearer = format!("Bearer {}", token.expose());
    let (status, _, code) = refused(send(&[("authorization", &bearer)]).await).await;
    assert_eq!((status, code.as_str()), (401, "no_credential"));
}

#[tokio::test]
async fn cred_a1_the_layer_refuses_what_is_malformed_even_where_credentials_are_optional() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await.optional().sources([Source::authorization(), cookie("session")]).expect("valid");
    let token = issuer_token(&issuer).build();
    let send = async |fields: Fields<'_>| {
        let mut request = request([]);
        *request.headers_mut() = headers(fields);
        through(&layer, request).await
    };
    let (bearer, session) = (format!("Bearer {}", token.expose()), format!("session={}", token.expose()));
    let twice = format!("{session}; {session}");
    for fields in
        [&[("cookie", "session=")][..], &[("cookie", &twice)], &[("authorization", &bearer), ("cookie", &session)]]
    {
        let (status, challenge, code) = refused(send(fields).await).await;
        assert_eq!((status, code.as_str()), (400, "malformed_request"), "{fields:?}");
        assert_eq!(challenge.as_deref(), Some("Bearer error=\"invalid_request\""));
    }
    let (status, _, code) = refused(send(&[("cookie", "session=bad")]).await).await;
    assert_eq!((status, code.as_str()), (401, "invalid_token"));
    for fields in [&[("cookie", session.as_str())][..], &[("authorization", &bearer)], &[("cookie", "a=b")]] {
        assert_eq!(send(fields).await.status(), 200, "{fields:?}");
    }
}

#[test]
fn rfc6750_a10_no_source_prints_what_stands_in_it() {
    let sources = Sources::of([cookie("session")]).expect("valid");
    let headers = headers(&[("cookie", "session=very-secret")]);
    let (uri, text) = (Uri::from_static("/"), "very-secret");
    let presented = Presented::read(&sources, &headers, &uri, LONGEST);
    assert_eq!(format!("{presented:?}"), "Credentials(Bearer(..))");
    let presented = Presented::read(&sources, &headers, &uri, text.len() - 1);
    assert!(matches!(presented, Presented::Malformed(_)) && !format!("{presented:?}").contains(text));
    assert!(headers.contains_key(COOKIE));

    let sources = sources.with_user(header("x-user-token")).expect("valid");
    let headers = self::headers(&[("cookie", "session=very-secret"), ("x-user-token", "very-secret")]);
    let presented = Presented::read(&sources, &headers, &uri, LONGEST);
    assert_eq!(format!("{presented:?}"), "Credentials(Bearer(.., ..))");
}

#[tokio::test]
async fn cred_a5_the_users_source_is_none_of_the_callers_in_whatever_order_they_are_named() {
    let layer = warm(&TestIssuer::start()).await.user_source(header("x-user-token")).expect("valid");
    let sources = |source: Source| layer.clone().sources([Source::authorization(), source]).map(drop);
    let both = InvalidSetting::new("user_source", "is a source of the caller's credential too");
    assert_eq!(sources(header("x-user-token")), Err(both));
    assert_eq!(sources(header("x-token")), Ok(()));
}

#[tokio::test]
async fn cred_a5_caller_and_user_are_verified_side_by_side_and_related() {
    let issuer = TestIssuer::start();
    let layer = warm(&issuer).await.user_source(header("x-user-token")).expect("valid");
    let own = |client: &str| issuer.token().subject(client).client(client).audience("orders").scope("orders:write");
    let alice = issuer_token(&issuer).build();
    let send = async |caller: Option<&str>, user: Option<&str>| {
        let mut request = request(caller.map(|client| own(client).bearer()));
        if let Some(user) = user {
            request.headers_mut().insert("x-user-token", value(user));
        }
        through(&layer, request).await
    };
    let both = send(Some("storefront"), Some(alice.expose())).await;
    assert_eq!(
        found(&both).map(|found| (found.user, found.headers)),
        Some((Some("alice".to_owned()), HeaderMap::new()))
    );

    let (status, challenge, code) = refused(send(Some("reports"), Some(alice.expose())).await).await;
    assert_eq!((status, challenge, code.as_str()), (403, None, "unrelated_credentials"));
    let (status, _, code) = refused(send(Some("storefront"), Some("bad")).await).await;
    assert_eq!((status, code.as_str()), (401, "invalid_token"));
    let (status, challenge, code) = refused(send(None, Some(alice.expose())).await).await;
    assert_eq!((status, code.as_str()), (401, "no_credential"));
    assert_eq!(challenge.as_deref(), Some("Bearer realm=\"api\""));
    // Where users' credentials are optional they are not the caller's either.
    let optional = layer.clone().optional();
    let mut alone = request([]);
    alone.headers_mut().insert("x-user-token", value(alice.expose()));
    assert_eq!(through(&optional, alone).await.status(), 401);
}

#[tokio::test]
async fn cred_a5_leaving_the_user_out_opens_nothing() {
    let issuer = TestIssuer::start();
    let warm = warm(&issuer).await;
    let own = issuer.token().subject("storefront").client("storefront").audience("orders").scope("orders:write");
    let handler =
        service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let status = async |layer: &AuthLayer, rule: Rule| {
        let service = layer.layer(RequireLayer::new(rule).layer(handler));
        let Ok(response) = service.oneshot(request([own.clone().bearer()])).await;
        response.status().as_u16()
    };
    let with_users = warm.clone().user_source(header("x-user-token")).expect("valid");
    assert_eq!(status(&with_users, scope("orders:write")).await, 403);
    // The controls: a route that is for callers alone, and a layer to which nobody could have brought a user.
    let for_itself = || scope("orders:write").and(callers(["storefront"])).and(no_user());
    assert_eq!(status(&with_users, for_itself()).await, 200);
    assert_eq!(status(&warm, scope("orders:write")).await, 200);
}
