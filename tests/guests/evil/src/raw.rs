//! Verdicts that go beyond the contract where the SDK cuts them: made behind it, as a plugin written without it could.

use std::sync::{Mutex, PoisonError};

use portolan_plugin_sdk::export::{
    Adapter,
    validator::exports::portolan::plugin::validator::{Artifact, Context, Error, Guest, Verdict},
};

use crate::Evil;

/// The attack that the call at hand is to make: its name and its amount.
static ATTACK: Mutex<(String, usize)> = Mutex::new((String::new(), 0));

/// Remembers what the verdict of this call has to be like.
pub(crate) fn prepare(name: &str, amount: usize) {
    *ATTACK.lock().unwrap_or_else(PoisonError::into_inner) = (name.to_owned(), amount);
}

/// Validates through the SDK, and puts back what it cut.
pub(crate) struct Raw;

impl Guest for Raw {
    fn validate(context: Context, artifact: Artifact) -> Result<Verdict, Error> {
        let mut verdict = <Adapter<Evil> as Guest>::validate(context, artifact)?;
        let (name, amount) = &*ATTACK.lock().unwrap_or_else(PoisonError::into_inner);
        if name == "verdict.findings" {
            let finding = verdict.findings.first().cloned();
            verdict.findings = finding.into_iter().cycle().take((*amount).min(200_000)).collect();
        }
        let Some(finding) = verdict.findings.first_mut() else {
            return Ok(verdict);
        };
        let text = || "a".repeat(*amount);
        match (name.as_str(), &mut finding.location) {
            ("finding.message", _) => finding.message = text(),
            ("location.path", Some(location)) => location.path = Some(text()),
            ("location.pointer", Some(location)) => location.pointer = Some(format!("/{}", text())),
            _ => {}
        }
        Ok(verdict)
    }
}

#[cfg(target_arch = "wasm32")]
const _: () = {
    portolan_plugin_sdk::export::validator::export!(Raw with_types_in portolan_plugin_sdk::export::validator);
};

#[cfg(not(target_arch = "wasm32"))]
const _: () = {
    const fn implements<G: Guest>() {}
    implements::<Raw>();
};
