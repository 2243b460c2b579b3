//! Conditions over the series of a queue, as rules write them: `backlog > 200 and avg(error_rate, 10m) > 5`.
//!
//! `or` binds least, then `and`, `not`, comparisons, `+ -`, `* /`. Numbers may have a unit: `ms s m h d` make milliseconds,
//! `KiB MiB GiB` bytes, `%` nothing. `avg`, `min`, `max` and `change` look at the rows of a time before now; `change` is
//! what the newest has more than the oldest.

use std::fmt;

use crate::sample::{Sample, Series};
use crate::units::closest;

/// Bytes of an expression.
pub const MAX_EXPRESSION: usize = 1 << 10;
/// Parts of an expression, so that evaluating one is quick and its depth bounded.
const MAX_PARTS: usize = 64;

/// A condition that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: String,
    root: Node,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Number(f64),
    Series(Series),
    Over(Window, Series, u64),
    Binary(Operator, Box<Node>, Box<Node>),
    Not(Box<Node>),
    Negative(Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Window {
    Avg,
    Min,
    Max,
    Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Equal,
    Unequal,
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Operator {
    fn strength(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Greater
            | Self::GreaterEqual
            | Self::Less
            | Self::LessEqual
            | Self::Equal
            | Self::Unequal => 4,
            Self::Add | Self::Subtract => 5,
            Self::Multiply | Self::Divide => 6,
        }
    }

    fn is_comparison(self) -> bool {
        self.strength() == 4
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Word(String),
    Sign(&'static str),
}

/// Signs, the longer ones first.
const SIGNS: [&str; 13] = [">=", "<=", "==", "!=", ">", "<", "+", "-", "*", "/", "(", ")", ","];

impl Expression {
    /// Reads a condition. The error says what is wrong and where, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_EXPRESSION {
            return Err(format!("an expression has at most {MAX_EXPRESSION} bytes"));
        }
        let tokens = tokens(text)?;
        if tokens.len() > MAX_PARTS {
            return Err(format!("an expression has at most {MAX_PARTS} parts"));
        }
        let mut parser = Parser { tokens, at: 0 };
        let root = parser.binary(0)?;
        if let Some(extra) = parser.next() {
            return Err(format!("{extra} is not expected here"));
        }
        if !root.is_condition() {
            return Err("it is a number, not a condition; compare it: `backlog > 200`".to_owned());
        }
        Ok(Self { text: text.trim().to_owned(), root })
    }

    /// Whether it holds for the rows of a queue, the newest last: the value and what it was compared with, of the first
    /// comparison that holds. A comparison with a value that is not there, such as a time without attempts, does not hold.
    #[must_use]
    pub fn holds(&self, rows: &[Sample]) -> Option<(f64, f64)> {
        let mut seen = None;
        let value = self.root.value(rows, &mut seen)?;
        (value != 0.0).then(|| seen.unwrap_or((value, 0.0)))
    }

    /// How far back it looks, ms; 0: at the newest row alone.
    #[must_use]
    pub fn window_ms(&self) -> u64 {
        self.root.window_ms()
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Node {
    fn window_ms(&self) -> u64 {
        match self {
            Self::Number(_) | Self::Series(_) => 0,
            Self::Over(_, _, ms) => *ms,
            Self::Binary(_, left, right) => left.window_ms().max(right.window_ms()),
            Self::Not(node) | Self::Negative(node) => node.window_ms(),
        }
    }

    fn is_condition(&self) -> bool {
        match self {
            Self::Not(_) => true,
            Self::Binary(operator, ..) => operator.strength() <= 4,
            _ => false,
        }
    }

    /// Conditions are 1 or 0. `seen` gets the sides of the first comparison that holds.
    fn value(&self, rows: &[Sample], seen: &mut Option<(f64, f64)>) -> Option<f64> {
        let truth = |holds: bool| Some(f64::from(u8::from(holds)));
        match self {
            Self::Number(number) => Some(*number),
            Self::Series(series) => rows.last()?.value(*series),
            Self::Over(window, series, ms) => over(rows, *window, *series, *ms),
            Self::Negative(node) => node.value(rows, seen).map(|value| -value),
            Self::Not(node) => truth(node.value(rows, &mut None).is_none_or(|value| value == 0.0)),
            Self::Binary(Operator::Or, left, right) => {
                let holds = |node: &Self, seen: &mut _| node.value(rows, seen).is_some_and(|v| v != 0.0);
                truth(holds(left, seen) || holds(right, seen))
            }
            Self::Binary(Operator::And, left, right) => {
                let mut found = *seen;
                let holds =
                    [left, right].iter().all(|node| node.value(rows, &mut found).is_some_and(|v| v != 0.0));
                if holds {
                    *seen = found;
                }
                truth(holds)
            }
            Self::Binary(operator, left, right) => {
                let (left, right) = (left.value(rows, seen)?, right.value(rows, seen)?);
                let compared = match operator {
                    Operator::Add => return Some(left + right),
                    Operator::Subtract => return Some(left - right),
                    Operator::Multiply => return Some(left * right),
                    Operator::Divide => return (right != 0.0).then(|| left / right),
                    Operator::Greater => left > right,
                    Operator::GreaterEqual => left >= right,
                    Operator::Less => left < right,
                    Operator::LessEqual => left <= right,
                    Operator::Equal => (left - right).abs() < f64::EPSILON,
                    _ => (left - right).abs() >= f64::EPSILON,
                };
                if compared {
                    seen.get_or_insert((left, right));
                }
                truth(compared)
            }
        }
    }
}

fn over(rows: &[Sample], window: Window, series: Series, ms: u64) -> Option<f64> {
    let from = rows.last()?.at_ms.saturating_sub(ms);
    let values: Vec<f64> =
        rows.iter().filter(|row| row.at_ms >= from).filter_map(|row| row.value(series)).collect();
    let (first, last) = (values.first()?, values.last()?);
    Some(match window {
        Window::Avg => values.iter().sum::<f64>() / values.len() as f64,
        Window::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
        Window::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Window::Change => last - first,
    })
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut rest = text.trim_start();
    let mut tokens = Vec::new();
    while !rest.is_empty() {
        let end = |fits: fn(char) -> bool| rest.find(|c| !fits(c)).unwrap_or(rest.len());
        let digits = end(|c| c.is_ascii_digit() || c == '.');
        let (token, length) = if digits > 0 {
            let unit = rest[digits..].find(|c: char| !c.is_ascii_alphabetic() && c != '%');
            let unit = &rest[digits..digits + unit.unwrap_or(rest.len() - digits)];
            (Token::Number(number(&rest[..digits], unit)?), digits + unit.len())
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            let word = end(|c| c.is_ascii_alphanumeric() || c == '_');
            if word == 0 {
                let odd = rest.chars().next().unwrap_or_default();
                return Err(format!("`{odd}` has no meaning in an expression"));
            }
            (Token::Word(rest[..word].to_owned()), word)
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn number(digits: &str, unit: &str) -> Result<f64, String> {
    let number: f64 = digits.parse().map_err(|_| format!("`{digits}` is not a number"))?;
    let factor = match unit {
        "" | "%" | "ms" => 1.0,
        "s" => 1e3,
        "m" | "min" => 6e4,
        "h" => 3.6e6,
        "d" => 8.64e7,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => return Err(format!("`{unit}` is not a unit; known: ms, s, m, h, d, KiB, MiB, GiB, %")),
    };
    Ok(number * factor)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        match self.next() {
            Some(Token::Sign(found)) if found == sign => Ok(()),
            Some(found) => Err(format!("`{sign}` is expected in place of {found}")),
            None => Err(format!("`{sign}` is missing at the end")),
        }
    }

    fn operator(&self) -> Option<Operator> {
        Some(match self.peek()? {
            Token::Word(word) if word == "or" => Operator::Or,
            Token::Word(word) if word == "and" => Operator::And,
            Token::Sign(">") => Operator::Greater,
            Token::Sign(">=") => Operator::GreaterEqual,
            Token::Sign("<") => Operator::Less,
            Token::Sign("<=") => Operator::LessEqual,
            Token::Sign("==") => Operator::Equal,
            Token::Sign("!=") => Operator::Unequal,
            Token::Sign("+") => Operator::Add,
            Token::Sign("-") => Operator::Subtract,
            Token::Sign("*") => Operator::Multiply,
            Token::Sign("/") => Operator::Divide,
            _ => return None,
        })
    }

    /// What follows until an operator that binds no more than `least`.
    fn binary(&mut self, least: u8) -> Result<Node, String> {
        let mut left = self.unary()?;
        while let Some(operator) = self.operator().filter(|operator| operator.strength() > least) {
            self.at += 1;
            let right = self.binary(operator.strength())?;
            let logical = operator.strength() <= 2;
            if logical != left.is_condition() || logical != right.is_condition() {
                return Err(match (logical, operator.is_comparison()) {
                    (true, _) => "`and` and `or` stand between comparisons".to_owned(),
                    (_, true) => "a comparison has numbers on both sides".to_owned(),
                    _ => "sums are made of numbers".to_owned(),
                });
            }
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, String> {
        match self.next() {
            Some(Token::Number(number)) => Ok(Node::Number(number)),
            Some(Token::Sign("-")) => Ok(Node::Negative(Box::new(self.unary()?))),
            Some(Token::Sign("(")) => {
                let inner = self.binary(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(Token::Word(word)) if word == "not" => {
                let inner = self.binary(3)?;
                if !inner.is_condition() {
                    return Err("`not` stands before a comparison".to_owned());
                }
                Ok(Node::Not(Box::new(inner)))
            }
            Some(Token::Word(word)) => self.word(&word),
            Some(other) => Err(format!("{other} is not expected here")),
            None => Err("something is missing at the end".to_owned()),
        }
    }

    fn word(&mut self, word: &str) -> Result<Node, String> {
        const WINDOWS: [(&str, Window); 4] =
            [("avg", Window::Avg), ("min", Window::Min), ("max", Window::Max), ("change", Window::Change)];
        let Some((_, window)) = WINDOWS.into_iter().find(|(name, _)| *name == word) else {
            return series(word).map(Node::Series);
        };
        self.expect("(")?;
        let Some(Token::Word(name)) = self.next() else {
            return Err(format!("`{word}` takes a series and a time: `{word}(backlog, 10m)`"));
        };
        self.expect(",")?;
        let Some(Token::Number(ms)) = self.next().filter(|token| matches!(token, Token::Number(1.0..8.64e7)))
        else {
            return Err(format!("`{word}` takes a series and a time below a day: `{word}({name}, 10m)`"));
        };
        self.expect(")")?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to a day")]
        Ok(Node::Over(window, series(&name)?, ms as u64))
    }
}

fn series(name: &str) -> Result<Series, String> {
    Series::parse(name).ok_or_else(|| {
        let known = Series::ALL.map(|(name, _)| name);
        let hint = closest(name, known)
            .map_or_else(|| format!("known: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        format!("there is no series `{name}`; {hint}")
    })
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "`{number}`"),
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
        }
    }
}
