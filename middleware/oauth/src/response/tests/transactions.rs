//! Answers to requests for transaction tokens, and to others that hold one.

use super::{assertions::jwt, *};
use crate::TransactionTokenExchange;

const TXN_TOKEN: &str = TokenType::TransactionToken.as_str();

fn asked() -> Grant {
    TransactionTokenExchange::new(SecretToken::new("user"), target()).expect("exchangeable").into()
}

fn answered(issued: &str, token_type: &str, token: &str) -> Value {
    json!({"access_token": token, "token_type": token_type, "issued_token_type": issued, "expires_in": 60})
}

#[test]
fn tx_b6_a_transaction_token_is_nobodys_access_token_and_says_so() {
    let token = jwt("txntoken+jwt");
    let read = |body: &Value| success(&asked(), body).map(|issued| issued.access_token().expose().to_owned());
    for token_type in ["N_A", "n_a"] {
        assert_eq!(read(&answered(TXN_TOKEN, token_type, &token)).as_ref(), Ok(&token), "{token_type}");
    }
    for typ in ["application/txntoken+jwt", "TXNTOKEN+JWT"] {
        assert_eq!(read(&answered(TXN_TOKEN, "N_A", &jwt(typ))), Ok(jwt(typ)));
    }
    let bearer = answered(TXN_TOKEN, "Bearer", &token);
    assert_eq!(read(&bearer), Err(Nonsense::NotForTransactions("Bearer".into())));
    assert_eq!(read(&answered(ACCESS, "N_A", &token)), Err(Nonsense::IssuedTokenType(ACCESS.into())));
    for other in [jwt("at+jwt"), jwt("JWT"), "opaque".to_owned()] {
        assert_eq!(read(&answered(TXN_TOKEN, "N_A", &other)), Err(Nonsense::NotATransactionToken), "{other}");
    }
    let mut untyped = answered(TXN_TOKEN, "N_A", &token);
    untyped.as_object_mut().expect("an object").remove("issued_token_type");
    assert_eq!(read(&untyped), Err(Nonsense::Member("issued_token_type")));
}

#[test]
fn tx_b6_it_allows_no_more_than_was_asked_for() {
    let read = |scope: &str| {
        let mut body = answered(TXN_TOKEN, "N_A", &jwt("txntoken+jwt"));
        body["scope"] = scope.into();
        success(&asked(), &body).map(|issued| issued.scopes().to_string())
    };
    assert_eq!(read("charge"), Ok("charge".to_owned()));
    assert!(matches!(read("charge admin"), Err(Nonsense::WiderScope { .. })));
}

#[test]
fn tx_b6_nothing_else_is_answered_with_one() {
    let token = jwt("txntoken+jwt");
    for token_type in ["N_A", "Bearer"] {
        let body = answered(TXN_TOKEN, token_type, &token);
        let read = success(&exchange(), &body).map(drop);
        let expected = if token_type == "N_A" {
            Nonsense::TokenType("N_A".into())
        } else {
            Nonsense::IssuedTokenType(TXN_TOKEN.into())
        };
        assert_eq!(read, Err(expected));
    }
}
