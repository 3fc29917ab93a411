//! What compose made a container from.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{Engine, EngineError, QUESTION};

/// Both compose versions put these on what they make.
const FOLDER_LABEL: &str = "com.docker.compose.project.working_dir";
const FILES_LABEL: &str = "com.docker.compose.project.config_files";

/// Enough to have compose make another container of the same service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Where the compose tool was called.
    pub folder: PathBuf,
    pub files: Vec<PathBuf>,
    /// Variables as the container has them.
    pub environment: Vec<(String, String)>,
}

impl Engine {
    /// What compose made a container from.
    ///
    /// # Errors
    /// There is no such container, or compose did not make it.
    pub async fn origin(&self, id: &str) -> Result<Origin, EngineError> {
        let (call, on) = ("find the origin of", format!("container {id}"));
        let inspected = self.asked(call, &on, QUESTION, self.docker.inspect_container(id, None)).await?;
        let config = inspected.config.unwrap_or_default();
        let labels = config.labels.unwrap_or_default();
        read(&labels, &config.env.unwrap_or_default()).ok_or_else(|| {
            let answer = format!("without the labels {FOLDER_LABEL} and {FILES_LABEL}; compose did not make it");
            EngineError::Refused { call, on, status: None, answer }
        })
    }
}

fn read(labels: &HashMap<String, String>, environment: &[String]) -> Option<Origin> {
    let folder = PathBuf::from(labels.get(FOLDER_LABEL)?);
    let files = labels.get(FILES_LABEL)?.split(',').map(|file| folder.join(file)).collect();
    let pairs = environment.iter().filter_map(|pair| pair.split_once('='));
    let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some(Origin { folder, files, environment })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_from_the_folder_and_values_keep_their_signs() {
        let labels =
            |files: &str| HashMap::from([(FOLDER_LABEL.to_owned(), "/w".to_owned()), (FILES_LABEL.to_owned(), files.to_owned())]);
        let environment = ["A=b=c".to_owned(), "EMPTY=".to_owned(), "none".to_owned()];
        let origin = read(&labels("a.yml,/x/b.yml"), &environment).expect("an origin");
        assert_eq!(origin.files, [PathBuf::from("/w/a.yml"), PathBuf::from("/x/b.yml")]);
        assert_eq!(origin.environment, [("A".to_owned(), "b=c".to_owned()), ("EMPTY".to_owned(), String::new())]);
        assert_eq!(read(&HashMap::new(), &environment), None);
    }
}
