# Makes staging_r.csv: the Obuchowski measure from pROC's pairwise areas, with its variance written out in base R, and
# power and sample size from pROC. Run in this folder: Rscript staging.R
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
for (auc_a in c(0.847, 0.65)) for (r in c(0, 0.5, 0.8)) for (kappa in c(0.5, 1, 2)) {
  A <- sqrt(2) * qnorm(c(auc_a, 0.753))
  label <- sprintf("%g_%g_%g", auc_a, r, kappa)
  pars <- list(A1 = A[1], B1 = 1, A2 = A[2], B2 = 1, rn = r, ra = r, delta = auc_a - 0.753)
  keep(paste0("var_", label), pROC:::var.params.obuchowski(A[1], 1, kappa))
  keep(paste0("cov_", label), pROC:::cov.params.obuchowski(A[1], 1, A[2], 1, r, r, kappa))
  keep(paste0("power_", label), power.roc.test(pars, ncases = 60, ncontrols = 60 * kappa)$power)
  keep(paste0("cases_", label), power.roc.test(pars, power = 0.8, kappa = kappa)$ncases)
}
for (area in c(0.6, 0.847)) {
  keep(sprintf("one_power_%g", area), power.roc.test(auc = area, ncases = 30, ncontrols = 45)$power)
  keep(sprintf("one_cases_%g", area), power.roc.test(auc = area, power = 0.9, kappa = 1.5)$ncases)
}
write.csv(do.call(rbind, rows), "staging_r.csv", row.names = FALSE, quote = FALSE)
