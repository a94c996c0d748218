//! What is done with a layer: drawn, recorded between two layers, cut anew, or spoilt.

use super::run::{Run, Writer};
use super::{LayerSubject, Step};
use crate::laws::clock::{Habit, MAX_WAIT, draw_wait};
use peerwork_core::machine::End;
use peerwork_core::seed::Seed;

/// Rounds of messages between two layers without anything from outside. More is two layers that never stop talking.
const MAX_ROUNDS: usize = 10_000;

/// Lets `subject` talk to `partner` and records what happened to `subject`.
///
/// Between the exchanges either of them is given one of `operations` operations in all, or time passes, by chance. Now and
/// then the partner's byte stream ends.
///
/// # Errors
/// The two never stop talking, or break a law on the way; the text says which.
pub fn record<A: LayerSubject, B: LayerSubject>(
    subject: &A,
    partner: &B,
    case: u64,
    operations: usize,
) -> Result<Vec<Step>, String> {
    let mut draw = Seed::reproducible(case).child("record");
    let mut ours = Run::new(subject, case, Habit::Exact, Writer::Prompt)?;
    let mut theirs = Run::new(partner, case, Habit::Exact, Writer::Prompt)?;
    let mut script = Vec::new();
    exchange(&mut ours, &mut theirs, &mut script)?;
    for _ in 0..operations {
        let number = u64::from_le_bytes(draw.bytes());
        match draw.below(8) {
            0 => {
                let wait = Step::Wait(draw_wait(ours.until_deadline(), &mut draw));
                theirs.step(&wait)?;
                push(&mut ours, &mut script, wait)?;
            }
            1..4 => theirs.step(&Step::Operation(number))?,
            _ => push(&mut ours, &mut script, Step::Operation(number))?,
        }
        exchange(&mut ours, &mut theirs, &mut script)?;
    }
    match draw.below(4) {
        0 => push(&mut ours, &mut script, Step::End(End::Closed))?,
        1 => push(&mut ours, &mut script, Step::End(End::Failed))?,
        _ => push(&mut ours, &mut script, Step::Wait(MAX_WAIT))?,
    }
    Ok(script)
}

fn push<S: LayerSubject>(run: &mut Run<'_, S>, script: &mut Vec<Step>, step: Step) -> Result<(), String> {
    run.step(&step)?;
    script.push(step);
    Ok(())
}

fn exchange<A: LayerSubject, B: LayerSubject>(
    ours: &mut Run<'_, A>,
    theirs: &mut Run<'_, B>,
    script: &mut Vec<Step>,
) -> Result<(), String> {
    for _ in 0..MAX_ROUNDS {
        let (to_them, to_us) = (ours.take_sent(), theirs.take_sent());
        if to_them.is_empty() && to_us.is_empty() {
            return Ok(());
        }
        if !to_them.is_empty() {
            theirs.step(&Step::Input(to_them))?;
        }
        if !to_us.is_empty() {
            push(ours, script, Step::Input(to_us))?;
        }
    }
    Err(format!("the two still talk to each other after {MAX_ROUNDS} rounds"))
}

/// How each input is cut into chunks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cut {
    /// Of one byte each.
    SingleBytes,
    /// By chance.
    Drawn,
}

/// The same script with its inputs in smaller chunks.
///
/// Inputs are not joined: the remote may have sent one only because of what we answered to the one before.
pub(super) fn recut(script: &[Step], cut: Cut, draw: &mut Seed) -> Vec<Step> {
    let mut out = Vec::new();
    for step in script {
        let Step::Input(bytes) = step else {
            out.push(step.clone());
            continue;
        };
        let mut bytes = bytes.clone();
        while !bytes.is_empty() {
            let len = match cut {
                Cut::SingleBytes => 1,
                Cut::Drawn => draw_chunk(draw).min(bytes.len()),
            };
            out.push(Step::Input(bytes.split_to(len)));
        }
    }
    out
}

/// Draws a length from one byte to about a thousand, small ones as often as large ones.
fn draw_chunk(draw: &mut Seed) -> usize {
    let magnitude = 1 << draw.below(11);
    1 + draw.below(magnitude) as usize
}

/// The same script as a hostile or unlucky peer would have it: a byte changed, bytes put in between, or an end in the middle.
pub(super) fn spoil(script: &[Step], draw: &mut Seed) -> Vec<Step> {
    let inputs: Vec<_> =
        script.iter().enumerate().filter_map(|(at, step)| step.input().map(|_| at)).collect();
    let mut out = script.to_vec();
    let Some(&at) = inputs.get(draw.below(inputs.len() as u64) as usize) else { return out };
    let Step::Input(bytes) = &script[at] else { return out };
    let position = draw.below(bytes.len() as u64) as usize;
    let mut spoilt = bytes.to_vec();
    match draw.below(4) {
        0 => spoilt[position] ^= 1 + draw.below(255) as u8,
        1 => {
            spoilt.truncate(position);
            spoilt.resize(position + 1024, 0xff);
        }
        2 => {
            let noise: [u8; 256] = draw.bytes();
            spoilt.splice(position.., noise);
        }
        _ => {
            spoilt.truncate(position);
            let end = if draw.below(2) == 0 { End::Closed } else { End::Failed };
            out.insert(at + 1, Step::End(end));
        }
    }
    out[at] = Step::Input(spoilt.into());
    out
}
