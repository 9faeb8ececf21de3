document.title = "Hearth";
