//! What many meshes begin with: each service presents a token of its own, and the name of its user in a header, which is believed.
//! What a user may do further on is what the caller may, whoever the user is.

use super::{Exception, Table};
use crate::Part;

pub(super) static TABLE: Table = Table {
    changes: &[
        // Whatever any of their users needs.
        (
            Part::Authority,
            (
                "scopes = [\"payments:settle\"]",
                "scopes = [\"payments:settle\", \"payments:charge\", \"payments:read\"]",
            ),
        ),
        (
            Part::Authority,
            (
                "\n[[authority.client_credentials]]\n",
                "\n[[authority.client_credentials]]\nclient = \"storefront\"\nto = \"orders\"\n\
                 scopes = [\"prices:read\", \"orders:read\", \"orders:write\"]\n\n[[authority.client_credentials]]\n",
            ),
        ),
        (
            Part::Storefront,
            (
                "strategy = \"token_exchange\"\naudience",
                "strategy = { plain_user = { header = \"x-user-id\", users_of = \"http://127.0.0.1:7000\" } }\naudience",
            ),
        ),
        (
            Part::Orders,
            (
                "\n[[inbound.issuer]]\n",
                "\n[inbound]\nplain_user_header = \"x-user-id\"\n\n[[inbound.plain_user]]\ncallers = [\"storefront\"]\n\
                 users_of = \"http://127.0.0.1:7000\"\n\n[[inbound.issuer]]\n",
            ),
        ),
        // Of a user whom the storefront has named there is no more than the name.
        (
            Part::Orders,
            (
                "strategy = \"token_exchange\"\naudience",
                "strategy = { plain_user = { header = \"x-user-id\", users_of = \"http://127.0.0.1:7000\", \
                 pass_on = true } }\naudience",
            ),
        ),
        (
            Part::Payments,
            (
                "user_source = { header = \"x-user-token\" }\n",
                "user_source = { header = \"x-user-token\" }\nplain_user_header = \"x-user-id\"\n\n\
                 [[inbound.plain_user]]\ncallers = [\"orders\"]\nusers_of = \"http://127.0.0.1:7000\"\n",
            ),
        ),
    ],
    relayed: None,
    beside: false,
    named: true,
    said: None,
    trust_domain: None,
    exceptions: &[
        Exception {
            at: (
                "In another shop tokens for payments live for 20 seconds, and the authority is slow",
                "Carol is new, and waits for it",
            ),
            found: None,
            why: "the token is orders' own, which was there before her and is the same for everybody",
        },
        Exception {
            at: (
                "Alice orders for so much that a partner is asked, in another trust domain",
                "the partner vouches for her, and the order is placed: 201",
            ),
            found: Some("502"),
            why: "orders has no more of her than a name, and no authority gives a grant for that",
        },
    ],
};
