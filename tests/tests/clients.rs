//! Real clients against the real program: what people do with their own tools works, and what is refused says why.

mod clients {
    mod buildkit;
    mod classic;
    mod containers;
    mod cosign;
    mod crane;
    mod helm;
    mod oras;
    mod refusals;
    mod regclient;
    mod skopeo;
    mod uploads;

    use portolan_tests::{
        process::{GatewayProcess, Setup, plugin},
        tool::Desk,
    };

    /// Both majors of `helm` that are in use.
    const HELMS: [&str; 2] = ["helm4", "helm3"];

    /// Starts a gateway with the Helm plugin, and gives a desk to run tools at.
    fn scene() -> anyhow::Result<(GatewayProcess, Desk)> {
        Ok((Setup::new().plugin(plugin("helm")?).start()?, Desk::new()?))
    }

    /// Fails unless the text holds each of the parts.
    fn assert_holds(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "{part:?} is missing in:\n{text}");
        }
    }

    /// Returns the word that follows a label, such as a digest that a client printed.
    fn word_after<'a>(text: &'a str, label: &str) -> anyhow::Result<&'a str> {
        let rest = text.split(label).nth(1).and_then(|rest| rest.split_whitespace().next());
        rest.ok_or_else(|| anyhow::anyhow!("{label:?} is missing in:\n{text}"))
    }
}
