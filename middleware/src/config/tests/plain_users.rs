use super::*;

const ROW: &str = "\n[[inbound.plain_user]]\ncallers = ['gateway']\nusers_of = 'https://login.example.com'\n";
const FIELD: &str = "plain_user_header = 'X-User-Id'\n";

#[test]
fn named_a3_a_file_says_who_names_users_in_which_field_and_says_both() {
    let layer = inbound(&format!("{FIELD}{ROW}")).expect("good").auth_layer().expect("a layer");
    assert!(format!("{layer:?}").contains("plain_user: Some(PlainUser(\"x-user-id\", ByName))"), "{layer:?}");
    let wrong_issuer = ROW.replace("login", "elsewhere");
    let cases = [
        (FIELD.to_owned(), ":2: inbound.plain_user_header: needs plain_user: whose word is taken"),
        (ROW.to_owned(), ":3: inbound.plain_user: needs plain_user_header: where a user is named"),
        (
            format!("edge = true\n{FIELD}{ROW}"),
            ":3: inbound.plain_user_header: goes without edge: nobody outside says who is calling",
        ),
        (
            format!("{FIELD}{wrong_issuer}"),
            ":6: inbound.plain_user[0].users_of: is no issuer whose users' credentials are accepted",
        ),
        (
            format!("plain_user_header = 'x_user_id'\n{ROW}"),
            ":2: inbound.plain_user_header: is written with _, which gateways take for - or drop",
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(inbound(&fields).map(drop), Err(format!("orders.toml{expected}")));
    }
}

const ID_TOKENS: &str = "\n[[inbound.id_token]]\ncallers = ['gateway']\n\n[inbound.id_token.issuer]\n\
                         issuer = 'https://login.example.com'\naudience = 'shop-web'\n";
const ID_TOKEN: &str = "id_token_header = 'x-id-token'\n";

#[test]
fn named_a6_a_file_says_who_presents_id_tokens_in_which_field_and_says_both() {
    let layer = inbound(&format!("{ID_TOKEN}{ID_TOKENS}")).expect("good").auth_layer().expect("a layer");
    assert!(format!("{layer:?}").contains("plain_user: Some(PlainUser(\"x-id-token\", ByIdToken))"), "{layer:?}");
    let cases = [
        (ID_TOKEN.to_owned(), ":2: inbound.id_token_header: needs id_token: whose are taken of whom"),
        (ID_TOKENS.to_owned(), ":3: inbound.id_token: needs id_token_header: where an ID token is"),
        (
            format!("edge = true\n{ID_TOKEN}{ID_TOKENS}"),
            ":3: inbound.id_token_header: goes without edge: nobody outside says who is calling",
        ),
        (
            format!("{ID_TOKEN}{}", ID_TOKENS.replace("'shop-web'", "'shop-web'\nprofile = 'kubernetes'")),
            ":10: inbound.id_token[0].issuer.profile: is one whose ID tokens are not known",
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(inbound(&fields).map(drop), Err(format!("orders.toml{expected}")));
    }
}
