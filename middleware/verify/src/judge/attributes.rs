//! What its issuer says of the subject beside who it is.

use tower_identity_core::{Attributes, Email, Groups, Refusal, Scope, Scopes};

use super::Rules;
use crate::{
    check,
    claim::{Claim, Object, refuse, wrong},
    claims::{Access, Claims},
    profile::{AttributeClaims, GroupClaim, RoleClaim},
    text::{Entry, List},
};

/// Claims of a wrong type refuse the token: what is misread here may be what a rule asks about.
pub(crate) fn attributes(claims: &Claims<'_>, rules: &Rules) -> Result<Attributes, Refusal> {
    let table = &rules.table.attributes;
    let mut display_name = None;
    for name in table.display_name {
        // Read also where an earlier one is the name to show, so that a wrong one is found.
        let text = claims.text(*name)?.filter(|text| !text.trim().is_empty());
        display_name = display_name.or(text);
    }
    let mut roles = Vec::new();
    for claim in table.roles {
        role_claim(*claim, claims, rules, &mut roles)?;
    }
    Ok(Attributes {
        display_name: display_name.map(Into::into),
        email: if table.email { email(claims)? } else { None },
        groups: groups(claims, table)?,
        roles,
    })
}

/// Verified only if its issuer says so.
fn email(claims: &Claims<'_>) -> Result<Option<Email>, Refusal> {
    let address = claims.email.as_ref().optional(check::CLAIMS, "email")?;
    let verified = claims.email_verified.as_ref().optional(check::CLAIMS, "email_verified")?;
    let address = address.filter(|address| !address.trim().is_empty());
    Ok(address.map(|address| Email { address: (**address).into(), verified: verified == Some(&true) }))
}

fn groups(claims: &Claims<'_>, table: &AttributeClaims) -> Result<Groups, Refusal> {
    let (claim, name) = match table.groups {
        GroupClaim::None => return Ok(Groups::default()),
        GroupClaim::Groups => (&claims.groups, "groups"),
        GroupClaim::GroupsOrOverage if are_elsewhere(claims)? => return Ok(Groups::Unknown),
        GroupClaim::GroupsOrOverage => (&claims.groups, "groups"),
        GroupClaim::Cognito => (&claims.cognito_groups, "cognito:groups"),
    };
    let mut groups = Vec::new();
    list(claim, name, table.scim, &mut groups)?;
    Ok(Groups::Known(groups))
}

/// A *group overage*: the groups are too many for a token, which says so in one of two ways.
fn are_elsewhere(claims: &Claims<'_>) -> Result<bool, Refusal> {
    let hasgroups = claims.hasgroups.as_ref().optional(check::CLAIMS, "hasgroups")?;
    let claim_names = claims.claim_names.as_ref().optional(check::CLAIMS, "_claim_names")?;
    let named = claim_names.is_some_and(|Object(names)| !matches!(names.groups, Claim::Absent));
    Ok(named || hasgroups == Some(&true))
}

fn role_claim(claim: RoleClaim, claims: &Claims<'_>, rules: &Rules, roles: &mut Vec<Box<str>>) -> Result<(), Refusal> {
    let scim = rules.table.attributes.scim;
    match claim {
        RoleClaim::Roles => list(&claims.roles, "roles", scim, roles),
        RoleClaim::Permissions => list(&claims.permissions, "permissions", scim, roles),
        RoleClaim::Realm => access(&claims.realm_access, "realm_access", scim, roles),
        RoleClaim::OfOurAudiences => {
            let all = claims.resource_access.as_ref().optional(check::CLAIMS, "resource_access")?;
            let ours = rules.audiences.iter().filter_map(|audience| all?.get(audience.as_str()));
            ours.into_iter().try_for_each(|one| access(one, "resource_access", scim, roles))
        }
    }
}

/// The roles that are written as scopes are. What is written otherwise is a role, and no rule about scopes names it.
pub(crate) fn scopes_of_roles(claims: &Claims<'_>) -> Result<Scopes, Refusal> {
    let mut roles = Vec::new();
    list(&claims.roles, "roles", false, &mut roles)?;
    Ok(roles.iter().filter_map(|role| Scope::parse(&**role).ok()).collect())
}

fn access(
    claim: &Claim<Object<Access<'_>>>,
    name: &'static str,
    scim: bool,
    into: &mut Vec<Box<str>>,
) -> Result<(), Refusal> {
    match claim.as_ref().optional(check::CLAIMS, name)? {
        Some(Object(access)) => list(&access.roles, name, scim, into),
        None => Ok(()),
    }
}

fn list(
    claim: &Claim<List<Entry<'_>>>,
    name: &'static str,
    scim: bool,
    into: &mut Vec<Box<str>>,
) -> Result<(), Refusal> {
    let Some(List(entries)) = claim.as_ref().optional(check::CLAIMS, name)? else { return Ok(()) };
    into.reserve_exact(entries.len());
    for entry in entries {
        if entry.is_object && !scim {
            return Err(wrong(check::CLAIMS, name));
        }
        if entry.value.chars().all(char::is_whitespace) {
            return Err(refuse(check::CLAIMS, format!("{name} has an entry that is empty")));
        }
        into.push((*entry.value).into());
    }
    Ok(())
}
