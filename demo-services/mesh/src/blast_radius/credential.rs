//! What is presented: a token at its place, or two.

use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName};
use tower_identity::{SecretToken, transaction_tokens::FIELD};

use super::{matrix::genitive, token::Token};

/// Where a token is in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Bearer,
    /// As browsers have it.
    Cookie,
    /// A user's, beside that of who calls.
    Beside,
    /// A user's transaction token, beside that of who calls.
    Transaction,
}

const SCHEME: &str = "Bearer ";
const SESSION: &str = "session=";
const OF_USER: HeaderName = HeaderName::from_static("x-user-token");
const OF_TRANSACTION: HeaderName = HeaderName::from_static(FIELD);

impl Place {
    pub(super) const ALL: [Self; 4] = [Self::Bearer, Self::Cookie, Self::Beside, Self::Transaction];

    /// The token there.
    pub(super) fn of(self, headers: &HeaderMap) -> Option<SecretToken> {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok();
        let token = match self {
            Self::Bearer => text(AUTHORIZATION)?.strip_prefix(SCHEME)?,
            Self::Cookie => text(COOKIE)?.split("; ").find_map(|pair| pair.strip_prefix(SESSION))?,
            // With its scheme or without.
            Self::Beside => text(OF_USER).map(|text| text.strip_prefix(SCHEME).unwrap_or(text))?,
            Self::Transaction => text(OF_TRANSACTION)?,
        };
        Some(SecretToken::new(token))
    }

    /// The field that has a token there.
    pub(super) fn field(self, token: &SecretToken) -> (HeaderName, String) {
        let token = token.expose();
        match self {
            Self::Bearer => (AUTHORIZATION, format!("{SCHEME}{token}")),
            Self::Cookie => (COOKIE, format!("{SESSION}{token}")),
            Self::Beside => (OF_USER, format!("{SCHEME}{token}")),
            Self::Transaction => (OF_TRANSACTION, token.to_owned()),
        }
    }
}

/// What a request can present.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    /// Whom it is about: `alice`.
    pub(super) whose: String,
    /// What of hers it is: `token for orders (storefront acts)`.
    pub(super) what: String,
    pub(super) scopes: String,
    pub(super) bears: Vec<(Place, SecretToken)>,
}

impl Credential {
    /// Whatever a thief makes of the tokens of one request: each as it was presented, each as a bearer token, what lies in
    /// it, and two together where two came together.
    pub(super) fn of(presented: &[(Place, Token)]) -> Vec<Self> {
        let mut all = Vec::new();
        for (place, token) in presented {
            all.push(Self::alone(*place, token));
            if *place != Place::Bearer {
                all.push(Self::alone(Place::Bearer, token));
            }
            all.extend(token.holds.iter().flat_map(|held| Self::of(&[(Place::Bearer, held.clone())])));
        }
        if let [(first, caller), (second, user)] = presented {
            all.push(Self::together((*first, caller), (*second, user)));
        }
        all
    }

    /// A user's token beside that of who calls.
    pub(super) fn together((first, caller): (Place, &Token), (second, user): (Place, &Token)) -> Self {
        Self {
            whose: user.whose.clone(),
            what: format!("{} + {} own", user.what, genitive(&caller.whose)),
            scopes: match second {
                // Of what it says itself the same is said wherever it comes.
                Place::Transaction => caller.scopes.clone(),
                _ => format!("{} + {}", caller.scopes, user.scopes),
            },
            bears: vec![(first, caller.value.clone()), (second, user.value.clone())],
        }
    }

    /// The same, where those that are alike in words say which scopes they have.
    pub(super) fn told_apart(mut all: Vec<Self>) -> Vec<Self> {
        let words: Vec<_> = all.iter().map(|one| (one.whose.clone(), one.what.clone())).collect();
        for (credential, its_words) in all.iter_mut().zip(&words) {
            if words.iter().filter(|words| *words == its_words).count() > 1 {
                credential.what = format!("{}: {}", credential.what, credential.scopes);
            }
        }
        all
    }

    fn alone(place: Place, token: &Token) -> Self {
        let how = match place {
            Place::Bearer => "",
            Place::Cookie => ", as a cookie",
            Place::Beside => ", as x-user-token",
            Place::Transaction => ", as txn-token",
        };
        Self {
            whose: token.whose.clone(),
            what: format!("{}{how}", token.what),
            scopes: token.scopes.clone(),
            bears: vec![(place, token.value.clone())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blast_radius::token::Kind;

    fn token(whose: &str, what: &str, holds: Vec<Token>) -> Token {
        let value = SecretToken::new(format!("{whose}-{what}"));
        let (whose, what) = (whose.to_owned(), what.to_owned());
        Token { value, whose, what, scopes: String::new(), kind: Kind::Other, holds }
    }

    /// In words, and by the places of the tokens.
    fn made_of(presented: &[(Place, Token)]) -> Vec<(String, Vec<Place>)> {
        let places = |credential: &Credential| credential.bears.iter().map(|(place, _)| *place).collect();
        let words = |credential: &Credential| format!("{} {}", genitive(&credential.whose), credential.what);
        Credential::of(presented).iter().map(|made| (words(made), places(made))).collect()
    }

    #[test]
    fn a_thief_tries_what_was_presented_as_it_was_and_as_a_bearer_token_and_what_lies_in_it() {
        let session = token("alice", "session", vec![]);
        let expected = [("alice's session, as a cookie", Place::Cookie), ("alice's session", Place::Bearer)];
        let expected = expected.map(|(words, place)| (words.to_owned(), vec![place]));
        assert_eq!(made_of(&[(Place::Cookie, session)]), expected);

        let held = token("alice", "token for payments", vec![]);
        let expected = ["alice's token for orders", "alice's token for payments"];
        let expected = expected.map(|words| (words.to_owned(), vec![Place::Bearer]));
        assert_eq!(made_of(&[(Place::Bearer, token("alice", "token for orders", vec![held]))]), expected);
    }

    #[test]
    fn two_that_came_together_are_tried_together_and_each_alone() {
        let both =
            [(Place::Bearer, token("orders", "own token", vec![])), (Place::Beside, token("alice", "token", vec![]))];
        let expected = [
            ("orders' own token", vec![Place::Bearer]),
            ("alice's token, as x-user-token", vec![Place::Beside]),
            ("alice's token", vec![Place::Bearer]),
            ("alice's token + orders' own", vec![Place::Bearer, Place::Beside]),
        ];
        assert_eq!(made_of(&both), expected.map(|(words, places)| (words.to_owned(), places)));
    }

    #[test]
    fn a_transaction_token_is_tried_beside_the_callers_own_and_alone_in_its_field_and_as_a_bearer_token() {
        let both = [
            (Place::Bearer, token("orders", "own token", vec![])),
            (Place::Transaction, token("alice", "transaction token", vec![])),
        ];
        let expected = [
            ("orders' own token", vec![Place::Bearer]),
            ("alice's transaction token, as txn-token", vec![Place::Transaction]),
            ("alice's transaction token", vec![Place::Bearer]),
            ("alice's transaction token + orders' own", vec![Place::Bearer, Place::Transaction]),
        ];
        assert_eq!(made_of(&both), expected.map(|(words, places)| (words.to_owned(), places)));
    }

    #[test]
    fn those_that_are_alike_in_words_are_told_apart_by_their_scopes() {
        let with = |what: &str, scopes: &str| {
            let token = Token { scopes: scopes.to_owned(), ..token("orders", what, vec![]) };
            Credential::alone(Place::Bearer, &token)
        };
        let all = vec![with("own token", "a"), with("own token", "b"), with("token", "a")];
        let told: Vec<_> = Credential::told_apart(all).into_iter().map(|credential| credential.what).collect();
        assert_eq!(told, ["own token: a", "own token: b", "token"]);
    }

    #[test]
    fn what_is_put_into_a_request_is_found_there() {
        for place in Place::ALL {
            let value = SecretToken::new("a-token");
            let headers: HeaderMap =
                [place.field(&value)].map(|(name, text)| (name, text.parse().expect("a value"))).into_iter().collect();
            let found = Place::ALL.map(|place| place.of(&headers));
            assert_eq!(found, Place::ALL.map(|other| (other == place).then(|| value.clone())));
        }
        let bare: HeaderMap = [(OF_USER, "a-token".parse().expect("a value"))].into_iter().collect();
        assert_eq!(Place::Beside.of(&bare), Some(SecretToken::new("a-token")));
        let others: HeaderMap = [(COOKIE, "a=b; session=a-token".parse().expect("a value"))].into_iter().collect();
        assert_eq!(Place::Cookie.of(&others), Some(SecretToken::new("a-token")));
    }
}
