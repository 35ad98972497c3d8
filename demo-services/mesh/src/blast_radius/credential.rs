//! What is presented: a token at its place, or two.

use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName};
use tower_identity::{SecretToken, transaction_tokens::FIELD};

use super::{
    matrix::genitive,
    token::{Kind, Token},
};

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
    /// A user's name in plain text, beside the token of who calls.
    Name,
}

/// The tokens of one request, and where they were.
pub(super) type Request = Vec<(Place, Token)>;

const SCHEME: &str = "Bearer ";
const SESSION: &str = "session=";
const OF_USER: HeaderName = HeaderName::from_static("x-user-token");
const OF_TRANSACTION: HeaderName = HeaderName::from_static(FIELD);
const NAME: HeaderName = HeaderName::from_static("x-user-id");

/// A user of ours who has not been in the shop where users are named: a thief needs no more than to have heard of her.
const NEVER_SEEN: &str = "carol";

impl Place {
    pub(super) const ALL: [Self; 5] = [Self::Bearer, Self::Cookie, Self::Beside, Self::Transaction, Self::Name];

    /// The token there.
    pub(super) fn of(self, headers: &HeaderMap) -> Option<SecretToken> {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok();
        let token = match self {
            Self::Bearer => text(AUTHORIZATION)?.strip_prefix(SCHEME)?,
            Self::Cookie => text(COOKIE)?.split("; ").find_map(|pair| pair.strip_prefix(SESSION))?,
            // With its scheme or without.
            Self::Beside => text(OF_USER).map(|text| text.strip_prefix(SCHEME).unwrap_or(text))?,
            Self::Transaction => text(OF_TRANSACTION)?,
            Self::Name => text(NAME)?,
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
            Self::Name => (NAME, token.to_owned()),
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
    /// it, and two together where two came together. A name is no token, and stays where names are.
    pub(super) fn of(presented: &[(Place, Token)]) -> Vec<Self> {
        let mut all = Vec::new();
        for (place, token) in presented {
            all.push(Self::alone(*place, token));
            if !matches!(place, Place::Bearer | Place::Name) {
                all.push(Self::alone(Place::Bearer, token));
            }
            all.extend(token.holds.iter().flat_map(|held| Self::of(&[(Place::Bearer, held.clone())])));
        }
        if let [(first, caller), (second, user)] = presented {
            all.push(Self::together((*first, caller), (*second, user)));
        }
        all
    }

    /// Whatever a thief makes of all that was seen: what says of nobody that they send it, beside each service's own token, whether
    /// they came together or not. Names can be made up, so that of somebody who was never seen goes with them.
    pub(super) fn across(requests: &[Request]) -> Vec<Self> {
        let of = |kind: Kind| requests.iter().flatten().filter(move |(_, token)| token.kind == kind);
        let is_named = |name: &str| of(Kind::Name).any(|(_, token)| token.whose == name);
        let never_seen = of(Kind::Name).next().filter(|_| !is_named(NEVER_SEEN)).map(|(place, _)| {
            let name = Token::name(&SecretToken::new(NEVER_SEEN));
            (*place, Token { what: format!("{}, never seen", name.what), ..name })
        });
        let users = || of(Kind::Transaction).chain(of(Kind::Name)).chain(&never_seen);
        of(Kind::Own)
            .flat_map(|(own, caller)| users().map(move |(place, user)| Self::together((*own, caller), (*place, user))))
            .collect()
    }

    /// A user's token beside that of who calls.
    fn together((first, caller): (Place, &Token), (second, user): (Place, &Token)) -> Self {
        Self {
            whose: user.whose.clone(),
            what: format!("{} + {} own", user.what, genitive(&caller.whose)),
            scopes: match second {
                // Of what it says itself the same is said wherever it comes.
                Place::Transaction | Place::Name => caller.scopes.clone(),
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
            Place::Name => ", as x-user-id",
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
    fn a_name_is_tried_in_its_field_alone_and_beside_the_callers_own_and_never_as_a_bearer_token() {
        let name = Token::name(&SecretToken::new("alice"));
        let expected = [
            ("orders' own token", vec![Place::Bearer]),
            ("alice's name, as x-user-id", vec![Place::Name]),
            ("alice's name + orders' own", vec![Place::Bearer, Place::Name]),
        ];
        let both = [(Place::Bearer, token("orders", "own token", vec![])), (Place::Name, name)];
        assert_eq!(made_of(&both), expected.map(|(words, places)| (words.to_owned(), places)));
    }

    /// What is made of all of these requests, in words, and by its values.
    fn made_across(requests: &[Request]) -> Vec<(String, Vec<String>)> {
        let values = |made: &Credential| made.bears.iter().map(|(_, value)| value.expose().to_owned()).collect();
        let words = |made: &Credential| format!("{} {}", genitive(&made.whose), made.what);
        Credential::across(requests).iter().map(|made| (words(made), values(made))).collect()
    }

    #[test]
    fn where_users_are_named_a_services_own_token_is_tried_with_every_name_and_one_that_was_never_seen() {
        let own = |whose| (Place::Bearer, Token { kind: Kind::Own, ..token(whose, "own token", vec![]) });
        let name = |whose| (Place::Name, Token::name(&SecretToken::new(whose)));
        let with = |words: &str, own: &str, name: &str| (words.to_owned(), vec![own.to_owned(), name.to_owned()]);
        let seen = [vec![own("shop"), name("alice")], vec![own("orders")]];
        let expected = [
            with("alice's name + shop's own", "shop-own token", "alice"),
            with("carol's name, never seen + shop's own", "shop-own token", "carol"),
            with("alice's name + orders' own", "orders-own token", "alice"),
            with("carol's name, never seen + orders' own", "orders-own token", "carol"),
        ];
        assert_eq!(made_across(&seen), expected);
        // Whom it has seen it has seen, and where nobody is named nobody hears names.
        let expected = [with("carol's name + shop's own", "shop-own token", "carol")];
        assert_eq!(made_across(&[vec![own("shop"), name("carol")]]), expected);
        assert_eq!(made_across(&[vec![own("shop")]]), []);
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
