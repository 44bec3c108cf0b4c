//! What is wrong with a rule, and where.

use std::fmt;

/// Where a document came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file as it was named on the command line.
    pub file: String,
    /// Place of the document in its file, from 1; none means the file as a whole.
    pub document: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.document {
            Some(document) => write!(f, "{}, document {document}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// One thing that keeps a rule from being taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The document at fault.
    pub origin: Origin,
    /// The field at fault, `spec.http[0].route[1].destination.subset`; empty for the whole document.
    pub path: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(origin: &Origin, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            origin: origin.clone(),
            path: path.into(),
            message: message.into(),
            hint: None,
        }
    }

    /// The same with what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        if !self.path.is_empty() {
            write!(f, ", {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Everything found wrong in one reading; never empty when returned as an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// `value` when nothing was found wrong.
    ///
    /// # Errors
    /// Itself when it holds any problem.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
