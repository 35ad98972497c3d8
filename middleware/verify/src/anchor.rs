//! Whose tokens a trusted issuer's are: one issuer's, those of the tenants of a pattern, or a trust domain's.

use tower_identity_core::{InvalidSetting, Issuer, Refusal, Tenant};

use crate::{
    check,
    claim::{Claim, refuse, wrong},
    claims::{ClaimName, Claims},
    profile::IssuerShape,
    shown::Shown,
    spiffe::TrustDomain,
};

/// What stands for the tenant in a pattern, as Entra's metadata and keys have it.
const TENANT: &str = "{tenantid}";

/// Whose tokens are trusted.
#[derive(Debug, Clone)]
pub(crate) enum Anchor {
    /// Those of one issuer.
    Issuer(Named),
    /// Those that one issuer was asked about, whether its answer names it or not.
    Asked(Named),
    /// Those of an issuer's tenants, each an issuer of its own. Never empty.
    Tenants { pattern: Issuer, tenants: Box<[Named]> },
    /// Those of a trust domain's workloads, whatever `iss` they have.
    TrustDomain { domain: TrustDomain, named: Named },
    /// The transaction tokens of a trust domain, which their audience names.
    #[cfg(feature = "transaction-tokens")]
    Transactions {
        named: Named,
        /// What `iss` is where it is there, as far as that is known.
        issued_by: Option<Issuer>,
        /// At whom the requesting workload goes by its name: in the trust domain itself, where nobody is named.
        workloads_of: Option<Issuer>,
    },
}

/// An issuer by its identifier, which is `iss`, and the tenant that it is of.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) issuer: Issuer,
    pub(crate) tenant: Option<Tenant>,
}

impl Anchor {
    /// Reads an issuer's identifier.
    pub(crate) fn issuer(issuer: &str, tenants: &[String], shape: &IssuerShape) -> Result<Self, InvalidSetting> {
        let issuer = Issuer::parse(issuer).map_err(|wrong| InvalidSetting::new("issuer", wrong.to_string()))?;
        match *shape {
            IssuerShape::TrustDomain => {
                Err(InvalidSetting::new("profile", "is that of a trust domain's tokens, which have no issuer"))
            }
            IssuerShape::Tenant { tail } => Self::tenants(&issuer, tenants, tail),
            IssuerShape::Exact | IssuerShape::Asked if issuer.as_str().contains(TENANT) => {
                Err(InvalidSetting::new("issuer", "has {tenantid} in it, which the profile does not know"))
            }
            IssuerShape::Exact | IssuerShape::Asked if !tenants.is_empty() => {
                Err(InvalidSetting::new("tenants", "the profile knows no tenants"))
            }
            IssuerShape::Exact => Ok(Self::Issuer(Named { issuer, tenant: None })),
            IssuerShape::Asked => Ok(Self::Asked(Named { issuer, tenant: None })),
        }
    }

    fn tenants(issuer: &Issuer, tenants: &[String], tail: &str) -> Result<Self, InvalidSetting> {
        let head_and_tenant = issuer.as_str().strip_suffix(tail).and_then(|rest| rest.rsplit_once('/'));
        let (head, tenants) = match head_and_tenant {
            Some((_, TENANT)) if tenants.is_empty() => {
                return Err(InvalidSetting::new("tenants", "names no tenant, and the issuer is one of many"));
            }
            Some((head, TENANT)) => (head, tenants),
            Some((head, tenant)) if is_tenant_id(tenant) && tenants.is_empty() => (head, &[tenant.to_owned()][..]),
            Some((_, tenant)) if is_tenant_id(tenant) => {
                return Err(InvalidSetting::new("tenants", "names tenants, and the issuer is that of one already"));
            }
            _ => {
                let rule = format!("does not end in /<tenant id>{tail}, nor in /{TENANT}{tail}");
                return Err(InvalidSetting::new("issuer", rule));
            }
        };
        let of = |tenant: &str| Issuer::parse(format!("{head}/{tenant}{tail}"));
        let mut all: Vec<Named> = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            if !is_tenant_id(tenant) {
                return Err(InvalidSetting::new("tenants", format!("{tenant:?} is no tenant id, in lower case")));
            }
            let issuer = of(tenant).map_err(|wrong| InvalidSetting::new("issuer", wrong.to_string()))?;
            if all.iter().any(|other| other.issuer == issuer) {
                return Err(InvalidSetting::new("tenants", format!("names {tenant:?} twice")));
            }
            let tenant = Tenant::parse(tenant).map_err(|wrong| InvalidSetting::new("tenants", wrong.to_string()))?;
            all.push(Named { issuer, tenant: Some(tenant) });
        }
        let pattern = of(TENANT).map_err(|wrong| InvalidSetting::new("issuer", wrong.to_string()))?;
        Ok(Self::Tenants { pattern, tenants: all.into() })
    }

    /// Reads a trust domain's name. The issuer of its workloads is its own SPIFFE ID.
    pub(crate) fn trust_domain(name: &str, tenants: &[String], shape: &IssuerShape) -> Result<Self, InvalidSetting> {
        if !matches!(shape, IssuerShape::TrustDomain) {
            return Err(InvalidSetting::new("profile", "is not that of a trust domain's tokens"));
        }
        if !tenants.is_empty() {
            return Err(InvalidSetting::new("tenants", "the profile knows no tenants"));
        }
        let rule = "is no trust domain: lower case letters, digits, dots, dashes and underscores";
        let domain = TrustDomain::parse(name).ok_or_else(|| InvalidSetting::new("trust_domain", rule))?;
        let issuer =
            Issuer::parse(domain.id()).map_err(|wrong| InvalidSetting::new("trust_domain", wrong.to_string()))?;
        Ok(Self::TrustDomain { domain, named: Named { issuer, tenant: None } })
    }

    /// The name that it goes by in a log, and at its metadata: of several tenants, their pattern.
    pub(crate) fn name(&self) -> &Issuer {
        match self {
            Self::Issuer(named) | Self::Asked(named) | Self::TrustDomain { named, .. } => &named.issuer,
            Self::Tenants { pattern, tenants } => match &**tenants {
                [one] => &one.issuer,
                _ => pattern,
            },
            #[cfg(feature = "transaction-tokens")]
            Self::Transactions { named, .. } => &named.issuer,
        }
    }

    /// The issuer at whose metadata the keys are found, where that is another than the one that the metadata names:
    /// the metadata of all tenants is at `common`, and names their pattern.
    pub(crate) fn found_at(&self) -> Option<Issuer> {
        match self {
            Self::Tenants { pattern, tenants } if tenants.len() > 1 => Some(
                Issuer::parse(pattern.as_str().replace(TENANT, "common")).expect("common is as good a part as any"),
            ),
            Self::Issuer(_) | Self::Asked(_) | Self::Tenants { .. } | Self::TrustDomain { .. } => None,
            #[cfg(feature = "transaction-tokens")]
            Self::Transactions { .. } => None,
        }
    }

    /// The issuers that it speaks for: one at least.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        let all = match self {
            Self::Issuer(named) | Self::Asked(named) | Self::TrustDomain { named, .. } => std::slice::from_ref(named),
            Self::Tenants { tenants, .. } => tenants,
            #[cfg(feature = "transaction-tokens")]
            Self::Transactions { named, .. } => std::slice::from_ref(named),
        };
        all.iter().map(|named| &named.issuer)
    }

    /// Whether the names of its workloads need no issuer beside them.
    pub(crate) fn is_one_issuer(&self) -> bool {
        self.issuers().nth(1).is_none()
    }

    /// Whether a token that says this is to be judged by its rules. By `iss` alone, so that a tenant is not confused with
    /// a stranger; a trust domain by `sub` alone.
    pub(crate) fn claims(&self, claims: &Claims<'_>) -> bool {
        match self {
            Self::Asked(_) => false,
            Self::Issuer(_) | Self::Tenants { .. } => {
                claims.iss.as_ref().is().is_some_and(|iss| self.issuers().any(|issuer| *issuer == **iss))
            }
            Self::TrustDomain { domain, .. } => claims.sub.as_ref().is().is_some_and(|sub| domain.has_workload(sub)),
            #[cfg(feature = "transaction-tokens")]
            Self::Transactions { named, .. } => {
                claims.aud.as_ref().is().is_some_and(|aud| aud.as_slice().iter().any(|one| named.issuer == **one))
            }
        }
    }

    /// Whose the token is (RFC 9068 §4: byte for byte).
    pub(crate) fn named(&self, claims: &Claims<'_>) -> Result<&Named, Refusal> {
        let iss = || claims.iss.as_ref().required(check::ISS, "iss").map(|iss| &**iss);
        match self {
            Self::Asked(named) if claims.iss == Claim::Absent => Ok(named),
            Self::Issuer(named) | Self::Asked(named) => {
                let iss = iss()?;
                if named.issuer == *iss {
                    return Ok(named);
                }
                Err(refuse(check::ISS, format!("expected {:?}, found {}", named.issuer, Shown(iss))))
            }
            Self::Tenants { pattern, tenants } => {
                let iss = iss()?;
                let named = tenants.iter().find(|named| named.issuer == *iss).ok_or_else(|| {
                    refuse(check::ISS, format!("expected {pattern:?} of a listed tenant, found {}", Shown(iss)))
                })?;
                let tid = claims.text(ClaimName::Tid).map_err(|_| wrong(check::ISS, "tid"))?;
                if named.tenant.as_ref().map(Tenant::as_str) == tid {
                    return Ok(named);
                }
                Err(refuse(check::ISS, format!("expected the tenant of {iss:?}, found {}", Shown(tid))))
            }
            Self::TrustDomain { domain, named } => {
                let sub = claims.sub.as_ref().required(check::ISS, "sub")?;
                if domain.has_workload(sub) {
                    return Ok(named);
                }
                Err(refuse(check::ISS, format!("sub is no workload of {}", domain.id())))
            }
            #[cfg(feature = "transaction-tokens")]
            Self::Transactions { named, issued_by, .. } => {
                let iss = claims.iss.as_ref().optional(check::ISS, "iss")?;
                match (issued_by, iss) {
                    (Some(expected), Some(iss)) if *expected != **iss => {
                        Err(refuse(check::ISS, format!("expected {expected:?}, found {}", Shown(&**iss))))
                    }
                    _ => Ok(named),
                }
            }
        }
    }

    /// Whether a key that says whose it is may sign for this issuer: it says this issuer, or the pattern that it is of.
    pub(crate) fn is_key_of(&self, says: &str, issuer: &Issuer) -> bool {
        let of_pattern = matches!(self, Self::Tenants { pattern, .. } if *pattern == *says);
        of_pattern || *issuer == *says
    }
}

/// A tenant id is a UUID, in the lower case in which it stands in tokens.
fn is_tenant_id(text: &str) -> bool {
    let expected = |at: usize, b: u8| match at {
        8 | 13 | 18 | 23 => b == b'-',
        _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == 36 && text.bytes().enumerate().all(|(at, b)| expected(at, b))
}
