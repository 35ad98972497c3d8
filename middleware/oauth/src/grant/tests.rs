use super::*;

fn form(grant: &Grant) -> Vec<(String, String)> {
    let mut form = Serializer::new(String::new());
    grant.append_to(&mut form);
    form_urlencoded::parse(form.finish().as_bytes()).into_owned().collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn payments() -> TargetService {
    TargetService {
        audience: Some("payments".parse().expect("audience")),
        resource: Some("https://payments.test/a?b".parse().expect("resource")),
        scopes: Scopes::parse("charge refund").expect("scopes"),
        tolerated: Scopes::parse("profile").expect("scopes"),
    }
}

#[test]
fn te_b1_an_actor_token_goes_only_with_its_type() {
    let access = "urn:ietf:params:oauth:token-type:access_token";
    let plain = TokenExchange::new(SecretToken::new("user"), payments()).expect("exchangeable");
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", "user"),
        ("subject_token_type", access),
        ("requested_token_type", access),
        ("audience", "payments"),
        ("resource", "https://payments.test/a?b"),
        ("scope", "charge refund"),
    ];
    assert_eq!(form(&plain.clone().into()), pairs(&expected));

    let actor = ActorToken::new(SecretToken::new("us"), TokenType::Jwt).expect("exchangeable");
    let mut with_actor = expected.to_vec();
    with_actor.insert(4, ("actor_token", "us"));
    with_actor.insert(5, ("actor_token_type", "urn:ietf:params:oauth:token-type:jwt"));
    assert_eq!(form(&plain.actor(actor).into()), pairs(&with_actor));
}

#[test]
fn client_credentials_send_no_empty_parameter() {
    let bare = ClientCredentials::new(TargetService::default());
    assert_eq!(form(&bare.into()), pairs(&[("grant_type", "client_credentials")]));
}

#[test]
fn cve_2026_9704_an_empty_or_oversize_subject_never_becomes_a_grant() {
    let exchange = |token: &str| TokenExchange::new(SecretToken::new(token), payments()).err();
    let actor = |token: &str| ActorToken::new(SecretToken::new(token), TokenType::Jwt).err();
    let longest = "a".repeat(MAX_TOKEN_BYTES);
    let too_long = "a".repeat(MAX_TOKEN_BYTES + 1);
    for (token, refused) in [
        ("", Some(Unexchangeable::Empty)),
        (" ", Some(Unexchangeable::Empty)),
        (too_long.as_str(), Some(Unexchangeable::TooLong)),
        (longest.as_str(), None),
        ("a", None),
    ] {
        assert_eq!(exchange(token), refused, "{} bytes", token.len());
        assert_eq!(actor(token), refused, "{} bytes", token.len());
    }
}

#[test]
fn rfc8707_b1_a_resource_is_absolute_without_fragment_and_kept_as_written() {
    for good in ["https://payments.test", "https://payments.test/", "urn:example:payments", "https://h/?tenant=a"] {
        assert_eq!(Resource::parse(good).map(|resource| resource.to_string()), Ok(good.to_owned()));
    }
    for bad in ["", "/payments", "payments.test", "https://payments.test/#a"] {
        assert_eq!(Resource::parse(bad), Err(InvalidResource(())), "{bad}");
    }
}
