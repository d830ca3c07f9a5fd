//! `[egress]`, checked.

use super::error::{SettingErrors, some};
use super::raw;
use crate::deliver::{Egress, EgressRule, Proxy};

pub(super) fn egress(raw: &raw::Egress, errors: &mut SettingErrors) -> Egress {
    Egress {
        allow: rules("egress.allow", &raw.allow, errors),
        deny: rules("egress.deny", &raw.deny, errors),
        tenant_allow: rules("egress.tenant_allow", &raw.tenant_allow, errors),
    }
}

pub(super) fn proxy(raw: &raw::Egress, errors: &mut SettingErrors) -> Option<Proxy> {
    let no_proxy = rules("egress.no_proxy", &raw.no_proxy, errors);
    let proxy = errors.or("egress.proxy", Proxy::parse(&some(&raw.proxy)?))?;
    Some(proxy.except(&no_proxy))
}

fn rules(field: &str, texts: &[String], errors: &mut SettingErrors) -> Vec<EgressRule> {
    texts.iter().filter_map(|text| errors.or(field, text.parse::<EgressRule>())).collect()
}
