//! Every token of the mesh at every service: each opens the one door that it was made for.

use demo_mesh::{Addresses, Mesh};
use tower_identity_oauth::{ClientCredentials, Grant};

use crate::demo::{Moved, Person, client_of, exchanged, service};

#[tokio::test]
async fn rfc9068_a3_each_token_opens_the_one_door_that_it_was_made_for() {
    let shop = Moved::new();
    let mesh = Mesh::start(shop.directory(), Addresses::default(), "the test").await.expect("started");
    let person = Person::of(&shop);
    let (storefront, orders) = (client_of("storefront", &shop), client_of("orders", &shop));

    let signed_in = person.sign_in("alice").await;
    let for_orders = exchanged(&storefront, &signed_in, service("orders", "orders:write")).await;
    let for_payments = exchanged(&orders, &for_orders, service("payments", "payments:charge")).await;
    let past_orders = exchanged(&storefront, &signed_in, service("payments", "payments:charge")).await;
    let settling = Grant::from(ClientCredentials::new(service("payments", "payments:settle")));
    let of_orders = orders.request(&settling).await.expect("policy allows it").access_token().expose().to_owned();

    for (token, opens) in [
        (signed_in, "storefront"),
        (for_orders, "orders"),
        (for_payments, "payments"),
        (past_orders, "payments"),
        (of_orders, "payments"),
    ] {
        for door in ["storefront", "orders", "payments"] {
            let answer = person.get(door, "/whoami", &token).await;
            let challenge = answer.headers().get("www-authenticate").map(|v| v.to_str().expect("ascii").to_owned());
            let expected = match door == opens {
                true => (200, None),
                false => (401, Some(format!("Bearer realm=\"{door}\", error=\"invalid_token\""))),
            };
            assert_eq!((answer.status().as_u16(), challenge), expected, "the token for {opens} at {door}");
        }
    }
    mesh.stop().await.expect("stopped");
}
