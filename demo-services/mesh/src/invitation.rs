//! What is printed once the mesh is up: where it listens, and what to try.

use std::fmt;

use crate::{Mesh, Part};

/// Addresses, and lines for a shell.
#[derive(Debug)]
pub struct Invitation<'a>(pub &'a Mesh);

impl fmt::Display for Invitation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = |part| self.0.origin(part).unwrap_or_default();
        let curl = match self.0.certificates() {
            Some(made) => format!("curl --cacert {}", made.roots().display()),
            None => "curl".to_owned(),
        };
        writeln!(f, "The shop is open:\n")?;
        for part in Part::ALL {
            writeln!(f, "  {:<12}{}", part.name(), origin(part))?;
        }
        let (authority, storefront) = (origin(Part::Authority), origin(Part::Storefront));
        writeln!(
            f,
            r#"
Get a token for Alice, order something for her, and see whom each service saw:

  TOKEN=$({curl} -s {authority}/dev/sign-in -H 'content-type: application/json' -d '{{"user":"alice"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  {curl} -sw '\n' {storefront}/orders -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{{"lines":[{{"sku":"tea","quantity":2}}]}}'
  {curl} -sw '\n' {storefront}/trace -H "authorization: Bearer $TOKEN"

The token is that of a session, which a browser has in a cookie:

  {curl} -sw '\n' {storefront}/whoami -H "cookie: session=$TOKEN"

See what she was charged, which payments tells orders over gRPC:

  {curl} -sw '\n' {storefront}/statement -H "authorization: Bearer $TOKEN"

Listen for news of her orders, and from another terminal revoke her: the stream ends, and the token is refused everywhere:

  {curl} -sN {storefront}/orders/events -H "authorization: Bearer $TOKEN"
  {curl} -sw '\n' {authority}/dev/revoke -H 'content-type: application/json' -d '{{"user":"alice"}}'
"#
        )?;
        if let Some(made) = self.0.certificates() {
            let (certificate, key) = made.of(Part::Orders);
            let (certificate, key) = (certificate.display(), key.display());
            writeln!(
                f,
                r#"Every hop is over mutual TLS. Users need no certificate; payments hears nobody without one, and answers with that of orders:

  {curl} -sw '\n' {payments}/whoami
  {curl} -sw '\n' {payments}/whoami --cert {certificate} --key {key}

The certificates are good for this run alone, and go with it.
"#,
                payments = origin(Part::Payments),
            )?;
        }
        write!(f, "`cargo run -p demo-mesh -- demo` walks through what is refused and why. Ctrl-C stops the mesh.")
    }
}
