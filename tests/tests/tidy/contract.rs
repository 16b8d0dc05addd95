//! The contract is the reference that authors read: every item of it is documented.

use wit_parser::{Docs, Resolve, TypeDefKind};

use crate::source::{assert_none, repository};

/// Collects the items without a word about them.
#[derive(Default)]
struct Undocumented {
    items: Vec<String>,
    seen: usize,
}

impl Undocumented {
    fn look_at(&mut self, item: String, docs: &Docs) {
        self.seen += 1;
        if docs.contents.as_deref().is_none_or(|text| text.trim().is_empty()) {
            self.items.push(item);
        }
    }

    fn look_at_type(&mut self, name: &str, docs: &Docs, kind: &TypeDefKind) {
        match kind {
            TypeDefKind::Record(record) => {
                record
                    .fields
                    .iter()
                    .for_each(|field| self.look_at(format!("{name}.{}", field.name), &field.docs));
            }
            TypeDefKind::Enum(cases) => {
                cases
                    .cases
                    .iter()
                    .for_each(|case| self.look_at(format!("{name}.{}", case.name), &case.docs));
            }
            TypeDefKind::Variant(cases) => {
                cases
                    .cases
                    .iter()
                    .for_each(|case| self.look_at(format!("{name}.{}", case.name), &case.docs));
            }
            TypeDefKind::Flags(flags) => {
                flags
                    .flags
                    .iter()
                    .for_each(|flag| self.look_at(format!("{name}.{}", flag.name), &flag.docs));
            }
            // A type that another interface lends is documented there.
            TypeDefKind::Type(wit_parser::Type::Id(_)) => return,
            _ => {}
        }
        self.look_at(name.to_owned(), docs);
    }
}

#[test]
fn every_item_of_the_contract_is_documented() {
    let mut resolve = Resolve::default();
    resolve.push_dir(repository().join("wit")).unwrap();
    let mut undocumented = Undocumented::default();
    for (_, interface) in resolve.interfaces.iter() {
        let name = interface.name.clone().unwrap_or_default();
        undocumented.look_at(name.clone(), &interface.docs);
        for (function_name, function) in &interface.functions {
            undocumented.look_at(format!("{name}/{function_name}"), &function.docs);
        }
        for (type_name, id) in &interface.types {
            let definition = &resolve.types[*id];
            undocumented.look_at_type(&format!("{name}/{type_name}"), &definition.docs, &definition.kind);
        }
    }
    for (_, world) in resolve.worlds.iter() {
        undocumented.look_at(world.name.clone(), &world.docs);
    }
    assert!(undocumented.seen > 100, "only {} items were found", undocumented.seen);
    assert_none("every item of wit/ says what it is", &undocumented.items);
}
