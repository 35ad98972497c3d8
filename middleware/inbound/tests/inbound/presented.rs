use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::AUTHORIZATION};
use tower_identity_core::{Refusal, RefusalKind};
use tower_identity_inbound::{Presented, Sources};

const LONGEST: usize = 100;

/// What a request presents, as a value that tests can compare.
#[derive(Debug, PartialEq)]
enum Read {
    Absent,
    Malformed(RefusalKind, &'static str),
    Bearer(String),
}

fn read_with(fields: &[&[u8]], uri: &'static str) -> (Read, Option<Refusal>) {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(AUTHORIZATION, HeaderValue::from_bytes(field).expect("header value"));
    }
    match Presented::read(&Sources::default(), &headers, &Uri::from_static(uri), LONGEST) {
        Presented::Absent => (Read::Absent, None),
        Presented::Malformed(refusal) => (Read::Malformed(refusal.kind().clone(), refusal.check()), Some(refusal)),
        Presented::Transaction(_) => panic!("that field is none of the sources"),
        Presented::Credentials(credentials) => {
            assert_eq!((credentials.user(), credentials.by_cookie()), (None, false));
            (Read::Bearer(credentials.caller().to_owned()), None)
        }
    }
}

fn read(field: impl AsRef<[u8]>) -> Read {
    read_with(&[field.as_ref()], "/").0
}

fn bearer(token: &str) -> Read {
    Read::Bearer(token.to_owned())
}

fn malformed(check: &'static str) -> Read {
    Read::Malformed(RefusalKind::MalformedRequest, check)
}

fn another_scheme() -> Read {
    Read::Malformed(RefusalKind::NoCredential, "scheme")
}

#[test]
fn rfc6750_a1_the_scheme_is_read_in_any_case_and_the_token_as_it_is() {
    for field in ["Bearer aBc", "bearer aBc", "BEARER aBc", "bEaReR aBc"] {
        assert_eq!(read(field), bearer("aBc"), "{field}");
    }
    assert_ne!(read("Bearer aBc"), read("Bearer abc"));
}

#[test]
fn rfc6750_a2_spaces_separate_and_nothing_else_does() {
    let cases = [
        ("Bearer abc", bearer("abc")),
        ("Bearer   abc", bearer("abc")),
        ("Bearer a-._~+/9==", bearer("a-._~+/9==")),
        ("Bearer", malformed("token68")),
        ("Bearer ", malformed("token68")),
        ("Bearer ==", malformed("token68")),
        ("Bearer abc ", malformed("token68")),
        ("Bearer abc def", malformed("token68")),
        ("Bearer a=bc", malformed("token68")),
        ("Bearer \"abc\"", malformed("token68")),
        ("Bearer abc;", malformed("token68")),
        ("Bearer\tabc", malformed("scheme")),
        ("Bearer \tabc", malformed("token68")),
        ("Bearer: abc", malformed("scheme")),
        (" Bearer abc", malformed("scheme")),
        ("", malformed("scheme")),
        ("(Bearer) abc", malformed("scheme")),
        ("Bearers abc", another_scheme()),
        ("Bear abc", another_scheme()),
    ];
    for (field, expected) in cases {
        assert_eq!(read(field), expected, "{field:?}");
    }
}

#[test]
fn rfc6750_a3_two_fields_are_refused_in_every_order_and_one_passes() {
    let two: [&[&[u8]]; 4] = [
        &[b"Bearer abc", b"Bearer def"],
        &[b"Bearer abc", b"Bearer abc"],
        &[b"Basic abc", b"Bearer abc"],
        &[b"Bearer abc", b""],
    ];
    for fields in two {
        assert_eq!(read_with(fields, "/").0, malformed("authorization"));
    }
    assert_eq!(read_with(&[b"Bearer abc"], "/").0, bearer("abc"));
}

#[test]
fn rfc6750_a3_fields_that_a_proxy_joined_by_a_comma_are_refused() {
    let cases = [
        ("Bearer abc,Bearer def", malformed("token68")),
        ("Bearer abc, Bearer def", malformed("token68")),
        ("Basic abc, Bearer def", malformed("authorization")),
        ("Digest realm=\"a\\\", b\", Bearer def", malformed("authorization")),
        // The controls: a comma inside of quotes is content of the one credential, of a scheme that we do not take.
        ("Digest realm=\"a\\\", b\"", another_scheme()),
        ("Basic abc", another_scheme()),
    ];
    for (field, expected) in cases {
        assert_eq!(read(field), expected, "{field}");
    }
}

#[test]
fn rfc6750_a4_bearer_beside_dpop_is_refused_and_dpop_alone_is_another_scheme() {
    assert_eq!(read_with(&[b"Bearer abc", b"DPoP abc"], "/").0, malformed("authorization"));
    assert_eq!(read("DPoP abc"), another_scheme());
}

#[test]
fn rfc6750_a5_a_token_in_the_query_is_ignored_alone_and_refused_beside_a_field() {
    for uri in ["/?access_token=x", "/?a=b&access_token=", "/?access%5Ftoken=x", "/?access_token"] {
        assert_eq!(read_with(&[], uri).0, Read::Absent, "{uri}");
        assert_eq!(read_with(&[b"Bearer abc"], uri).0, malformed("query"), "{uri}");
    }
    for uri in ["/?token=x", "/?my_access_token=x", "/access_token=x", "/?Access_Token=x"] {
        assert_eq!(read_with(&[b"Bearer abc"], uri).0, bearer("abc"), "{uri}");
    }
}

#[test]
fn rfc6750_a8_bytes_outside_visible_ascii_are_refused_without_a_panic() {
    for byte in 0x80..=0xff_u8 {
        assert_eq!(read([b"Bearer a".as_slice(), &[byte], b"b"].concat()), malformed("authorization"));
        assert_eq!(read([&[byte][..], b"Bearer ab"].concat()), malformed("authorization"));
    }
    assert_eq!(read("Bearer a\tb"), malformed("token68"));
    assert_eq!(read("\tBearer ab"), malformed("scheme"));
    assert_eq!(read("Bearer ab"), bearer("ab"));
}

#[test]
fn rfc6750_a8_a_token_has_a_longest_length() {
    let longest = "a".repeat(LONGEST);
    assert_eq!(read(format!("Bearer {longest}")), bearer(&longest));
    assert_eq!(read(format!("Bearer {longest}a")), malformed("length"));
}

#[test]
fn rfc6750_a10_what_is_read_never_prints_the_token() {
    let token = "eyJhbGciOiJFUzI1NiJ9.c2VjcmV0.c2ln";
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).expect("header value"));
    let (sources, uri) = (Sources::default(), Uri::from_static("/"));
    let presented = Presented::read(&sources, &headers, &uri, LONGEST);
    assert_eq!(format!("{presented:?}"), "Credentials(Bearer(..))");
    // A client that forgets the scheme sends its token in the scheme's place.
    let forgot: [&[u8]; 4] = [b"", b"Token ", b"Bearer \"", b"\xff"];
    for before in forgot {
        let (_, refusal) = read_with(&[&[before, token.as_bytes()].concat()], "/");
        let refusal = refusal.expect("refused");
        assert!(!format!("{refusal} {refusal:?}").contains("eyJ"), "{refusal:?}");
    }
}

#[test]
fn no_other_field_is_a_credential() {
    for name in ["proxy-authorization", "x-authorization", "cookie", "x-forwarded-access-token"] {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("Bearer abc"));
        let (sources, uri) = (Sources::default(), Uri::from_static("/"));
        assert!(matches!(Presented::read(&sources, &headers, &uri, LONGEST), Presented::Absent), "{name}");
    }
}
