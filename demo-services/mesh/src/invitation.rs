//! What is printed once the mesh is up: where it listens, and what to try.

use std::fmt;

use crate::{Mesh, Part};

/// Addresses, and lines for a shell.
#[derive(Debug)]
pub struct Invitation<'a>(pub &'a Mesh);

impl fmt::Display for Invitation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = |part| self.0.origin(part).unwrap_or_default();
        writeln!(f, "The shop is open:\n")?;
        for part in Part::ALL {
            writeln!(f, "  {:<12}{}", part.name(), origin(part))?;
        }
        let (authority, storefront) = (origin(Part::Authority), origin(Part::Storefront));
        writeln!(
            f,
            r#"
Get a token for Alice, order something for her, and see whom each service saw:

  TOKEN=$(curl -s {authority}/dev/sign-in -H 'content-type: application/json' -d '{{"user":"alice"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -sw '\n' {storefront}/orders -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{{"lines":[{{"sku":"tea","quantity":2}}]}}'
  curl -sw '\n' {storefront}/trace -H "authorization: Bearer $TOKEN"

The token is that of a session, which a browser has in a cookie:

  curl -sw '\n' {storefront}/whoami -H "cookie: session=$TOKEN"

See what she was charged, which payments tells orders over gRPC:

  curl -sw '\n' {storefront}/statement -H "authorization: Bearer $TOKEN"

Listen for news of her orders, and from another terminal revoke her: the stream ends, and the token is refused everywhere:

  curl -sN {storefront}/orders/events -H "authorization: Bearer $TOKEN"
  curl -sw '\n' {authority}/dev/revoke -H 'content-type: application/json' -d '{{"user":"alice"}}'

`cargo run -p demo-mesh -- demo` walks through what is refused and why. Ctrl-C stops the mesh."#
        )
    }
}
