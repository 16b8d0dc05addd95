//! Random commands against a model that is too simple to be wrong.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, test_runner::TestRunner};

use super::*;
use crate::metadata::EntryItem;

/// What one step does. Numbers choose among few repositories, contents and tags, so that steps meet.
#[derive(Debug, Clone)]
enum Step {
    Link(usize, usize),
    Unlink(usize, usize),
    Mount(usize, usize, usize),
    Put {
        repository: usize,
        content: usize,
        tags: BTreeSet<usize>,
        layer: Option<usize>,
        judged: bool,
    },
    Delete(usize, usize),
    DeleteTag(usize, usize),
    All(Vec<Step>),
}

/// What should be stored.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    links: BTreeSet<(usize, usize)>,
    tags: BTreeMap<(usize, usize), usize>,
    /// Whether a manifest has an entry.
    manifests: BTreeMap<(usize, usize), bool>,
    repositories: BTreeSet<usize>,
}

const NAMES: [&str; 3] = ["a", "a/b", "a-b"];
const CONTENTS: usize = 4;
const TAGS: usize = 3;

fn content(n: usize) -> String {
    format!("content {n}")
}

fn blob(n: usize) -> String {
    format!("blob {n}")
}

fn tag_name(n: usize) -> String {
    format!("t{n}")
}

impl Step {
    fn command(&self) -> Command {
        match self {
            Self::Link(at, n) => link(NAMES[*at], &blob(*n)),
            Self::Unlink(at, n) => unlink(NAMES[*at], &blob(*n)),
            Self::Mount(at, n, from) => mount(NAMES[*at], &blob(*n), &[NAMES[*from]]),
            Self::Put {
                repository,
                content: n,
                tags,
                layer,
                judged: said,
            } => {
                let mut put = manifest(NAMES[*repository], &content(*n), &[]);
                put.tags = tags.iter().map(|n| tag(&tag_name(*n))).collect();
                put.edges = layer.iter().map(|n| edge(EdgeKind::Layer, &blob(*n))).collect();
                put.judged = said.then(|| judged(&format!("title{n}"), stamp("thing", "1")));
                Command::PutManifest(Box::new(put))
            }
            Self::Delete(at, n) => delete(NAMES[*at], &content(*n)),
            Self::DeleteTag(at, n) => Command::DeleteTag {
                repository: repository(NAMES[*at]),
                tag: tag(&tag_name(*n)),
            },
            Self::All(steps) => Command::All(steps.iter().map(Self::command).collect()),
        }
    }
}

impl Model {
    /// Does a step, or nothing where it has to be refused.
    fn apply(&mut self, step: &Step) -> bool {
        let before = self.clone();
        let done = self.try_apply(step);
        if !done {
            *self = before;
        }
        done
    }

    fn try_apply(&mut self, step: &Step) -> bool {
        match step {
            Step::Link(at, n) => self.link(*at, *n),
            Step::Unlink(at, n) => self.links.remove(&(*at, *n)),
            Step::Mount(at, n, from) => self.links.contains(&(*from, *n)) && self.link(*at, *n),
            Step::Put {
                repository,
                content,
                tags,
                layer,
                judged,
            } => {
                if layer.is_some_and(|layer| !self.links.contains(&(*repository, layer))) {
                    return false;
                }
                self.repositories.insert(*repository);
                *self.manifests.entry((*repository, *content)).or_default() |= judged;
                self.tags.extend(tags.iter().map(|tag| ((*repository, *tag), *content)));
                true
            }
            Step::Delete(at, n) => {
                self.tags
                    .retain(|(repository, _), content| (*repository, *content) != (*at, *n));
                self.manifests.remove(&(*at, *n)).is_some()
            }
            Step::DeleteTag(at, n) => self.tags.remove(&(*at, *n)).is_some(),
            Step::All(steps) => steps.iter().all(|step| self.try_apply(step)),
        }
    }

    fn link(&mut self, at: usize, n: usize) -> bool {
        self.links.insert((at, n));
        self.repositories.insert(at);
        true
    }

    /// Returns what a database holds.
    fn of(db: &Database) -> Self {
        let mut model = Self::default();
        for (at, name) in NAMES.into_iter().enumerate() {
            if db.metadata.repository_exists(&repository(name)).now().unwrap() {
                model.repositories.insert(at);
            }
            for n in 0..CONTENTS {
                if db.sees(name, &blob(n)).now() {
                    model.links.insert((at, n));
                }
                let record = db.metadata.artifact(&repository(name), &digest(&content(n))).now().unwrap();
                if let Some(record) = record {
                    model.manifests.insert((at, n), record.entry.is_some());
                    let title = db
                        .metadata
                        .search(&Scope::All, &format!("title{n}"), None, None, 100)
                        .now()
                        .unwrap();
                    assert_eq!(
                        title.iter().any(|item| item.repository.as_str() == name),
                        record.entry.is_some()
                    );
                }
            }
            for n in 0..TAGS {
                let meant = db.tagged(name, &tag_name(n)).now();
                let meant = meant.map(|meant| (0..CONTENTS).find(|n| content(*n) == meant).unwrap());
                model.tags.extend(meant.map(|meant| ((at, n), meant)));
            }
        }
        model
    }
}

/// What services see, and the revisions of it.
struct Seen {
    /// All but links, which services do not see.
    all: Model,
    entries: Vec<EntryItem>,
    revision: u64,
    revision_of_entries: u64,
}

impl Seen {
    fn of(db: &Database, model: &Model) -> Self {
        let types = ["*".to_owned()];
        let all = Model {
            links: BTreeSet::new(),
            ..model.clone()
        };
        Self {
            all,
            entries: db.metadata.entries(&Scope::All, "", &types, None, 1_000).now().unwrap(),
            revision: db.revision("").now(),
            revision_of_entries: db.metadata.revision(&Scope::All, "", Some(&types)).now().unwrap(),
        }
    }

    /// Checks that revisions moved where something is another one than before, and never backwards.
    fn compare(&self, after: &Self) -> Result<(), TestCaseError> {
        prop_assert!(after.revision >= self.revision && after.revision_of_entries >= self.revision_of_entries);
        prop_assert!(after.all == self.all || after.revision > self.revision);
        prop_assert!(after.entries == self.entries || after.revision > self.revision);
        prop_assert!(after.entries == self.entries || after.revision_of_entries > self.revision_of_entries);
        Ok(())
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (at, n, tags) = (0..NAMES.len(), 0..CONTENTS, 0..TAGS);
    let put = (
        at.clone(),
        n.clone(),
        prop::collection::btree_set(tags.clone(), 0..3),
        prop::option::of(n.clone()),
        any::<bool>(),
    );
    let one = prop_oneof![
        (at.clone(), n.clone()).prop_map(|(at, n)| Step::Link(at, n)),
        (at.clone(), n.clone()).prop_map(|(at, n)| Step::Unlink(at, n)),
        (at.clone(), n.clone(), at.clone()).prop_map(|(at, n, from)| Step::Mount(at, n, from)),
        put.prop_map(|(repository, content, tags, layer, judged)| Step::Put {
            repository,
            content,
            tags,
            layer,
            judged
        }),
        (at.clone(), n).prop_map(|(at, n)| Step::Delete(at, n)),
        (at, tags).prop_map(|(at, n)| Step::DeleteTag(at, n)),
    ];
    let some = prop::collection::vec(one.clone(), 0..4);
    prop_oneof![6 => one, 1 => some.prop_map(Step::All)]
}

#[test]
fn a_database_does_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    });
    let batches = prop::collection::vec(prop::collection::vec(step(), 1..8), 1..12);
    let checked = runner.run(&batches, |batches| {
        let db = database();
        let mut model = Model::default();
        for batch in batches {
            // Commands that are handed over at once share a commit.
            let before = Seen::of(&db, &model);
            let applied = runtime.block_on(futures_util::future::join_all(
                batch.iter().map(|step| db.apply(step.command())),
            ));
            let expected: Vec<bool> = batch.iter().map(|step| model.apply(step)).collect();
            let done: Vec<bool> = applied.iter().map(Result::is_ok).collect();
            prop_assert_eq!(done, expected);
            prop_assert_eq!(&Model::of(&db), &model);
            before.compare(&Seen::of(&db, &model))?;
        }
        Ok(())
    });
    checked.unwrap();
}
