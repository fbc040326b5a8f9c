# Makes delong_proc.csv from delong_data.csv with pROC (Debian package r-cran-proc).
# Run in this folder: Rscript delong.R
suppressMessages(library(pROC))
data <- read.csv("delong_data.csv")
rows <- list()
keep <- function(dataset, what, value) {
  rows[[length(rows) + 1]] <<- data.frame(dataset = dataset, quantity = what, value = sprintf("%.17g", as.numeric(value)))
}
curve <- function(part, column) {
  score <- part[[column]]
  if (part$dataset[1] == "near_ties") score <- 0.1 + score * 2^-53
  roc(part$y, score, levels = c(0, 1), direction = "<", quiet = TRUE)
}
for (name in unique(data$dataset)) {
  part <- data[data$dataset == name, ]
  curves <- lapply(c(a = "a", b = "b", c = "c"), function(column) curve(part, column))
  for (i in names(curves)) {
    keep(name, paste0("auc_", i), auc(curves[[i]]))
    keep(name, paste0("var_", i), var(curves[[i]], method = "delong"))
    for (level in c(0.95, 0.90)) {
      ci <- suppressWarnings(ci.auc(curves[[i]], conf.level = level, method = "delong"))
      keep(name, sprintf("ci_low_%s_%g", i, level), ci[1])
      keep(name, sprintf("ci_high_%s_%g", i, level), ci[3])
    }
  }
  for (pair in list(c("a", "b"), c("a", "c"), c("b", "c"))) {
    label <- paste(pair, collapse = "")
    one <- curves[[pair[1]]]; two <- curves[[pair[2]]]
    keep(name, paste0("cov_", label), cov(one, two, method = "delong"))
    for (side in c("two.sided", "greater", "less")) {
      test <- suppressWarnings(roc.test(one, two, method = "delong", paired = TRUE, alternative = side))
      keep(name, paste0("p_", label, "_", side), test$p.value)
    }
    for (level in c(0.95, 0.90)) {
      test <- suppressWarnings(roc.test(one, two, method = "delong", paired = TRUE, conf.level = level))
      if (level == 0.95) keep(name, paste0("z_", label), test$statistic)
      keep(name, sprintf("diff_low_%s_%g", label, level), test$conf.int[1])
      keep(name, sprintf("diff_high_%s_%g", label, level), test$conf.int[2])
    }
  }
  # DeLong 1988, eq. 5: chi-square of the contrasts a - b and b - c.
  s <- matrix(0, 3, 3)
  for (i in 1:3) for (j in 1:3) s[i, j] <- cov(curves[[i]], curves[[j]], method = "delong")
  areas <- sapply(curves, auc)
  contrast <- rbind(c(1, -1, 0), c(0, 1, -1))
  d <- contrast %*% areas
  chi2 <- t(d) %*% solve(contrast %*% s %*% t(contrast)) %*% d
  keep(name, "joint_chi2", chi2)
  keep(name, "joint_p", pchisq(chi2, 2, lower.tail = FALSE))
  other <- if (name == "second") "medium" else "second"
  for (column in c("a", "b")) {
    for (side in c("two.sided", "greater", "less")) {
      test <- suppressWarnings(roc.test(curves[[column]], curve(data[data$dataset == other, ], column),
                                        method = "delong", paired = FALSE, alternative = side))
      keep(name, paste0("unpaired_p_", column, "_", side), test$p.value)
    }
    keep(name, paste0("unpaired_t_", column), test$statistic)
    keep(name, paste0("unpaired_df_", column), test$parameter)
  }
}
write.csv(do.call(rbind, rows), "delong_proc.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "pROC", as.character(packageVersion("pROC")), "\n")
