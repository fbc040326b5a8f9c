# Makes staging_r.csv: the Obuchowski measure from pROC's pairwise areas, with its variance written out in base R.
# Run in this folder: Rscript staging.R
suppressMessages(library(pROC))
data <- read.csv("staging_data.csv")
rows <- list()
keep <- function(what, value) rows[[length(rows) + 1]] <<- data.frame(quantity = what, value = sprintf("%.17g", as.numeric(value)))
stages <- sort(unique(data$stage))
measure <- function(score, prevalence, penalty) {
  pairs <- combn(stages, 2)
  w <- apply(pairs, 2, function(p) prevalence[p[1] + 1] * prevalence[p[2] + 1])
  w <- w / sum(w)
  theta <- 1
  share <- numeric(nrow(data))
  for (k in seq_len(ncol(pairs))) {
    low <- which(data$stage == pairs[1, k]); high <- which(data$stage == pairs[2, k])
    lost <- w[k] * penalty(pairs[2, k] - pairs[1, k])
    area <- auc(roc(c(rep(0, length(low)), rep(1, length(high))), score[c(low, high)],
                    levels = c(0, 1), direction = "<", quiet = TRUE))
    theta <- theta - lost * (1 - as.numeric(area))
    psi <- outer(score[high], score[low], function(x, y) (x > y) + 0.5 * (x == y))
    share[high] <- share[high] + lost * rowMeans(psi)
    share[low] <- share[low] + lost * colMeans(psi)
  }
  list(theta = theta, share = share)
}
variance <- function(share) sum(tapply(share, data$stage, function(h) var(h) / length(h)))
sample_prevalence <- as.numeric(table(data$stage)) / nrow(data)
settings <- list(sample = list(sample_prevalence, function(d) d / 4),
                 uniform = list(rep(0.2, 5), function(d) d / 4),
                 plain = list(sample_prevalence, function(d) 1))
for (name in names(settings)) {
  a <- measure(data$a, settings[[name]][[1]], settings[[name]][[2]])
  b <- measure(data$b, settings[[name]][[1]], settings[[name]][[2]])
  keep(paste0(name, "_a"), a$theta)
  keep(paste0(name, "_se_a"), sqrt(variance(a$share)))
  keep(paste0(name, "_b"), b$theta)
  keep(paste0(name, "_z"), (a$theta - b$theta) / sqrt(variance(a$share - b$share)))
}
write.csv(do.call(rbind, rows), "staging_r.csv", row.names = FALSE, quote = FALSE)
