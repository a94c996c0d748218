//! The command line.

use crate::Res;
use std::collections::HashMap;

/// Options without a value.
const FLAGS: [&str; 1] = ["lazy"];

/// Options with a value.
const OPTIONS: [&str; 4] = ["listen", "security", "muxer", "key"];

/// What stands behind the program's name: options anywhere, the rest in order.
pub struct Options {
    arguments: Vec<String>,
    named: HashMap<String, String>,
}

impl Options {
    pub fn parse(mut args: impl Iterator<Item = String>) -> Res<Self> {
        let mut options = Self { arguments: Vec::new(), named: HashMap::new() };
        while let Some(arg) = args.next() {
            match arg.strip_prefix("--") {
                None => options.arguments.push(arg),
                Some(name) if FLAGS.contains(&name) => drop(options.named.insert(name.into(), String::new())),
                Some(name) if OPTIONS.contains(&name) => {
                    let value = args.next().ok_or_else(|| format!("--{name} needs a value"))?;
                    options.named.insert(name.into(), value);
                }
                Some(name) => return Err(format!("unknown option --{name}").into()),
            }
        }
        Ok(options)
    }

    /// An argument; 0 is the command.
    pub fn argument(&self, index: usize) -> Res<&str> {
        let argument = self.arguments.get(index).map(String::as_str);
        argument.ok_or_else(|| format!("argument {index} is missing").into())
    }

    /// An argument that is a number.
    pub fn count(&self, index: usize, default: usize) -> Res<usize> {
        self.arguments.get(index).map_or(Ok(default), |text| Ok(text.parse()?))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.named.get(name).map_or(default, String::as_str)
    }

    /// A list separated by commas, each item one of the `choices`.
    pub fn list<T: Copy>(&self, name: &str, default: &str, choices: &[(&str, T)]) -> Res<Vec<T>> {
        let pick = |item: &str| {
            let choice = choices.iter().find(|(known, _)| *known == item);
            choice.map(|&(_, value)| value).ok_or_else(|| format!("--{name} does not know {item}").into())
        };
        self.text(name, default).split(',').map(pick).collect()
    }
}
