//! Compressed data that no compressor writes: trees that are incomplete, symbols that mean nothing, distances before the beginning.

use crate::choices::Choices;

/// Symbols with the lengths of their codes.
type Tree = &'static [(usize, u32)];

/// Complete trees of literals (65, 66), the end (256) and lengths (257 means 3), and others.
const LITERALS: &[Tree] = &[
    &[(65, 1), (256, 1)],
    &[(65, 1), (66, 2), (256, 2)],
    &[(65, 1), (256, 2), (257, 2)],
    &[(256, 1)],
    &[(256, 2)],
    &[(65, 2), (66, 2), (256, 2)],
    &[(65, 1), (66, 1)],
    &[(65, 1), (66, 1), (256, 1)],
    &[(65, 2), (256, 2), (257, 2), (285, 2)],
];
/// Trees of distances.
const DISTANCES: &[Tree] = &[
    &[(0, 1), (1, 1)],
    &[(0, 1)],
    &[],
    &[(0, 2)],
    &[(0, 2), (1, 2)],
    &[(1, 1), (29, 1)],
    &[(0, 1), (1, 1), (2, 1)],
];

/// Returns one or two blocks.
pub(super) fn blocks(choices: &mut Choices) -> Vec<u8> {
    let mut bits = Bits::default();
    let more = choices.percent(30);
    for is_last in [false, true] {
        if is_last || more {
            bits.low(u32::from(is_last), 1);
            match choices.below(4) {
                0 | 1 => dynamic(&mut bits, choices),
                2 => fixed(&mut bits, choices),
                _ => stored(&mut bits, choices),
            }
        }
    }
    bits.bytes
}

/// A block that is not compressed.
fn stored(bits: &mut Bits, choices: &mut Choices) {
    bits.low(0, 2);
    bits.used = 0;
    let content = choices.pick::<[u8]>(&[b"AB", b"", &[b'C'; 40]]);
    let length = u16::try_from(content.len()).unwrap_or_default();
    let check = if choices.percent(10) { length } else { !length };
    bits.bytes.extend([length.to_le_bytes(), check.to_le_bytes()].as_flattened());
    bits.bytes.extend(content);
}

/// A block in the codes that need no tree.
fn fixed(bits: &mut Bits, choices: &mut Choices) {
    bits.low(1, 2);
    for _ in 0..choices.below(6) {
        match choices.below(8) {
            0..=3 => bits.code(0x30 + 65, 8),
            // Two lengths that do not exist, and distances that do, with and without content so far back.
            4 => bits.code(0xc6 + choices.below(2), 8),
            _ => {
                bits.code(1, 7);
                bits.code(*choices.pick(&[&0, &1, &29, &30, &31]), 5);
            }
        }
    }
    bits.code(0, 7);
}

/// A block that brings its trees along.
fn dynamic(bits: &mut Bits, choices: &mut Choices) {
    let literals = LITERALS.get(choices.below(LITERALS.len())).copied().unwrap_or_default();
    let distances = DISTANCES.get(choices.below(DISTANCES.len())).copied().unwrap_or_default();
    let room = |tree: Tree, least: usize| tree.iter().map(|(symbol, _)| symbol + 1).max().unwrap_or(0).max(least);
    let literal_count = room(literals, 257) + choices.below(2) * choices.below(31);
    let distance_count = room(distances, 1) + choices.below(2) * choices.below(4);
    bits.low(2, 2);
    bits.low(u32::try_from(literal_count.min(288) - 257).unwrap_or_default(), 5);
    bits.low(u32::try_from(distance_count.min(32) - 1).unwrap_or_default(), 5);
    // Lengths of 0, 1 and 2, and runs of zeros, which is 18, have a code of two bits each.
    bits.low(18 - 4, 4);
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
        bits.low(if matches!(symbol, 0 | 1 | 2 | 18) { 2 } else { 0 }, 3);
    }
    lengths(bits, literals, literal_count.min(288));
    lengths(bits, distances, distance_count.min(32));
    for _ in 0..choices.below(8) {
        symbol(bits, literals, distances, choices);
    }
    if let Some((code, length)) = code(literals, 256) {
        bits.code(code, length);
    }
}

/// Writes the lengths of the codes of a tree.
fn lengths(bits: &mut Bits, tree: Tree, count: usize) {
    let mut at = 0;
    while at < count {
        let next = tree.iter().map(|(symbol, _)| *symbol).filter(|symbol| *symbol >= at).min();
        let zeros = next.unwrap_or(count).min(count) - at;
        if zeros >= 11 {
            bits.code(3, 2);
            bits.low(u32::try_from(zeros.min(138) - 11).unwrap_or_default(), 7);
            at += zeros.min(138);
        } else {
            let length = tree.iter().find(|(symbol, _)| *symbol == at).map_or(0, |(_, length)| *length);
            bits.code(usize::try_from(length).unwrap_or_default(), 2);
            at += 1;
        }
    }
}

/// Writes a symbol of a tree, and a distance behind a length.
fn symbol(bits: &mut Bits, literals: Tree, distances: Tree, choices: &mut Choices) {
    let Some((chosen, _)) = literals.get(choices.below(literals.len())) else {
        return;
    };
    let Some((written, length)) = code(literals, *chosen).filter(|_| *chosen != 256) else {
        return;
    };
    bits.code(written, length);
    if *chosen > 256
        && let Some((distance, _)) = distances.get(choices.below(distances.len()))
        && let Some((written, length)) = code(distances, *distance)
    {
        bits.code(written, length);
        if *distance == 29 {
            bits.low(0, 13);
        }
    }
}

/// Returns the code of a symbol: codes of one length follow each other in the order of their symbols, behind the shorter ones.
fn code(tree: Tree, wanted: usize) -> Option<(usize, u32)> {
    let (_, length) = *tree.iter().find(|(symbol, _)| *symbol == wanted)?;
    let before = tree.iter().filter(|(symbol, other)| (*other, *symbol) < (length, wanted));
    let code: usize = before.map(|(_, other)| 1 << (length - other)).sum();
    Some((code, length))
}

/// Bits, the lowest of each byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// How many bits of the last byte are used; none where it is full.
    used: u32,
}

impl Bits {
    /// Writes a number, its lowest bit first.
    fn low(&mut self, number: u32, count: u32) {
        for place in 0..count {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(number >> place & 1 == 1) << self.used;
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// Writes a code, its highest bit first.
    fn code(&mut self, code: usize, count: u32) {
        for place in (0..count).rev() {
            self.low(u32::from(code >> place & 1 == 1), 1);
        }
    }
}
