//! Who a user is inside.

use std::collections::HashMap;

use tower_identity_core::{Audience, Principal, Subject, Tenant, User};
use tower_identity_jose::KeyedHash;

/// Says who a user is inside a trust domain. Any function of these arguments does.
///
/// Asked for users only, of callers whose user is established, and never for nobody.
pub trait UserNames: Send + Sync + 'static {
    /// The name of the principal's user in this trust domain; `None` where it has none there: then the request is refused
    /// (403).
    ///
    /// A name is one user's for ever: two users of one name are one to every service inside.
    fn name(&self, principal: Principal<'_>, audience: &Audience) -> Option<Subject>;
}

impl<F> UserNames for F
where
    F: Fn(Principal<'_>, &Audience) -> Option<Subject> + Send + Sync + 'static,
{
    fn name(&self, principal: Principal<'_>, audience: &Audience) -> Option<Subject> {
        self(principal, audience)
    }
}

/// Every user has a name, another in each trust domain, that says nothing of who it is: a keyed hash of issuer, tenant,
/// subject and audience (as OpenID Connect Core §8.1 describes pairwise identifiers). Who has two names cannot tell
/// whether they are one user's.
///
/// The names change with the key: keep it as you keep your users' data.
///
/// ```
/// use tower_identity_core::Audience;
/// use tower_identity_edge::{Pairwise, UserNames};
/// use tower_identity_jose::KeyedHash;
/// use tower_identity_testkit::TestCaller;
///
/// let names = Pairwise::new(KeyedHash::new([7; 32])?);
/// let [shop, bank] = [Audience::parse("shop.internal")?, Audience::parse("bank.internal")?];
/// let alice = TestCaller::workload("storefront").user("alice").context();
///
/// let name = names.name(alice.principal(), &shop).expect("everybody has one");
/// assert_ne!(Some(name), names.name(alice.principal(), &bank));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pairwise(KeyedHash);

impl Pairwise {
    /// By this key.
    #[must_use]
    pub fn new(key: KeyedHash) -> Self {
        Self(key)
    }
}

impl UserNames for Pairwise {
    fn name(&self, principal: Principal<'_>, audience: &Audience) -> Option<Subject> {
        let user = principal.user()?;
        let name = self.0.of("pairwise subject").field(user.issuer.as_str());
        let name = name.optional(user.tenant.as_ref().map(Tenant::as_str)).field(user.id.as_str());
        Subject::parse(name.field(audience.as_str()).finish()).ok()
    }
}

/// The users of a list, by the names that stand there; nobody else has one.
///
/// ```
/// use tower_identity_core::{Audience, Subject, User};
/// use tower_identity_edge::{NameTable, UserNames};
/// use tower_identity_testkit::TestCaller;
///
/// let alice = TestCaller::workload("storefront").user("alice").context();
/// let names: NameTable = [(alice.principal().user().expect("alice").clone(), Subject::parse("customer-7")?)].into_iter().collect();
///
/// let shop = Audience::parse("shop.internal")?;
/// assert_eq!(names.name(alice.principal(), &shop), Some(Subject::parse("customer-7")?));
/// let bob = TestCaller::workload("storefront").user("bob").context();
/// assert_eq!(names.name(bob.principal(), &shop), None);
/// # Ok::<(), tower_identity_core::InvalidName>(())
/// ```
#[derive(Clone, Default)]
pub struct NameTable(HashMap<User, Subject>);

impl FromIterator<(User, Subject)> for NameTable {
    fn from_iter<I: IntoIterator<Item = (User, Subject)>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl UserNames for NameTable {
    fn name(&self, principal: Principal<'_>, _: &Audience) -> Option<Subject> {
        self.0.get(principal.user()?).cloned()
    }
}

/// How many, and not who.
impl std::fmt::Debug for NameTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NameTable").field("users", &self.0.len()).finish()
    }
}
