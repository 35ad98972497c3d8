//! Claims that are written plainly, as nearly every token has them.
//!
//! What is read here is what serde would read, at less than half the price. Everything else is `None`, a claim of a wrong
//! type too, and read by serde.

use serde::de::IgnoredAny;
use tower_identity_jose::{
    NumericDate,
    json::{Kind, Plain},
};

#[cfg(feature = "transaction-tokens")]
use crate::claims::RequesterContext;
use crate::{
    claim::{Claim, Object},
    claims::{Access, ActorClaim, Elsewhere, KubernetesClaim, KubernetesObject, SubjectId},
    text::{Entry, List, Members, Text, TextOrNumber, Texts},
};

/// What a claim may hold.
pub(crate) trait Plainly<'a>: Sized {
    fn read(plain: &mut Plain<'a>) -> Option<Self>;
}

/// Reads a claim to where it is to lie.
#[inline]
pub(crate) fn set<'a, T: Plainly<'a>>(claim: &mut Claim<T>, plain: &mut Plain<'a>) -> Option<()> {
    *claim = T::read(plain).map(Claim::Is)?;
    Some(())
}

impl<'a> Plainly<'a> for Text<'a> {
    fn read(plain: &mut Plain<'a>) -> Option<Self> {
        plain.text().map(Self::from)
    }
}

impl<'a> Plainly<'a> for Texts<'a> {
    fn read(plain: &mut Plain<'a>) -> Option<Self> {
        match plain.kind()? {
            Kind::List => List::read(plain).map(|List(texts)| Self::Many(texts)),
            _ => Text::read(plain).map(Self::One),
        }
    }
}

impl<'a> Plainly<'a> for TextOrNumber<'a> {
    fn read(plain: &mut Plain<'a>) -> Option<Self> {
        match plain.kind()? {
            Kind::Number => plain.natural().map(Self::Number),
            _ => Text::read(plain).map(Self::Text),
        }
    }
}

/// No object: nobody but SCIM writes one.
impl<'a> Plainly<'a> for Entry<'a> {
    fn read(plain: &mut Plain<'a>) -> Option<Self> {
        Text::read(plain).map(|value| Self { value, is_object: false })
    }
}

impl Plainly<'_> for NumericDate {
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        plain.date()
    }
}

impl Plainly<'_> for bool {
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        plain.boolean()
    }
}

impl Plainly<'_> for IgnoredAny {
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        plain.ignore().map(|()| Self)
    }
}

impl<'a, T: Plainly<'a>> Plainly<'a> for List<T> {
    fn read(plain: &mut Plain<'a>) -> Option<Self> {
        let mut all = Vec::new();
        plain.list(|plain| {
            all.push(T::read(plain)?);
            Some(())
        })?;
        Some(Self(all))
    }
}

impl<'a, T: Plainly<'a>> Plainly<'a> for Members<'a, Claim<T>> {
    fn read(plain: &mut Plain<'a>) -> Option<Self> {
        let mut all = Vec::new();
        plain.object(|plain, name| {
            all.push((name.into(), Claim::Is(T::read(plain)?)));
            Some(())
        })?;
        Some(Self(all))
    }
}

impl<'a, T: Plainly<'a>> Plainly<'a> for Box<T> {
    fn read(plain: &mut Plain<'a>) -> Option<Self> {
        T::read(plain).map(Self::new)
    }
}

#[cfg(feature = "transaction-tokens")]
impl Plainly<'_> for Object<IgnoredAny> {
    fn read(plain: &mut Plain<'_>) -> Option<Self> {
        plain.object(|plain, _| plain.ignore()).map(|()| Self(IgnoredAny))
    }
}

/// Objects whose members go by the names of their fields.
macro_rules! objects {
    ($a:lifetime: $($object:ty { $($member:ident)+ })+) => {$(
        impl<$a> Plainly<$a> for Object<$object> {
            fn read(plain: &mut Plain<$a>) -> Option<Self> {
                let mut object = <$object>::default();
                plain.object(|plain, name| match name {
                    $(stringify!($member) => set(&mut object.$member, plain),)+
                    _ => plain.ignore(),
                })?;
                Some(Self(object))
            }
        }
    )+};
}

objects! { 'a:
    ActorClaim<'a> { iss sub act }
    KubernetesClaim<'a> { namespace serviceaccount }
    KubernetesObject<'a> { name }
    SubjectId<'a> { format iss sub }
    Access<'a> { roles }
    Elsewhere { groups }
}

#[cfg(feature = "transaction-tokens")]
objects! { 'a: RequesterContext<'a> { acr amr auth_time } }
